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

# exits_of FILE - the sum of what vm-exits wrote, without what comes with the time that it takes: interrupts of the host (SVM
# 0x60, VMX 1), and settings of the guest's timer. A machine of a sixth of the speed had 200 more by them.
exits_of() {
	awk '/^total/ {n += $2} /^(96|1|timer) / {n -= $2} END {print n}' "$1"
}

# count_exits NAME - the VM exits of `run` of the bundle against the budget of that name.
count_exits() {
	nb_run warm
	: >counts
	# The least of three: some of what comes with the time is not told apart.
	for _ in 1 2 3; do
		"$here/tests/l1/vm-exits" -o exits "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" a
		cat exits
		exits_of exits >>counts
	done
	within "$1" "$(sort -n counts | head -n 1)"
}
