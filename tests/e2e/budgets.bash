# SPDX-License-Identifier: Apache-2.0
# Counts against docs/budgets.md, for the files that enforce them.

# budget NAME - the number in the line of docs/budgets.md that begins with `NAME`.
budget() {
	local n
	n=$(sed -n "s/^| \`$1\` | \([0-9,]*\) .*/\1/p" "$here/docs/budgets.md" | tr -d ,)
	[[ $n =~ ^[0-9]+$ ]] || { echo "no budget $1" >&2; return 1; }
	echo "$n"
}

within() {
	local limit
	limit=$(budget "$1")
	echo "# $1: $2 of $limit" >&3
	[ "$2" -gt 0 ] && [ "$2" -le "$limit" ]
}

# count_exits NAME - the VM exits of `run` of the bundle against the budget of that name.
count_exits() {
	nb_run warm
	: >counts
	# The least of three: what comes with the time that a run takes (the guest's timer) comes on top.
	for _ in 1 2 3; do
		"$here/tests/l1/vm-exits" -o exits "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" a
		cat exits
		# Without those by interrupts of the host (SVM 0x60, VMX 1), which also grow with the time.
		awk '/^total/ {n += $2} /^(96|1) / {n -= $2} END {print n}' exits >>counts
	done
	within "$1" "$(sort -n counts | head -n 1)"
}
