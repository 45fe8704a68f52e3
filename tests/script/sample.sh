# sample.sh - the part of a script's cases that one run tries; scripts read it
# with ".".  As sample.h: each case is drawn by the day, and VIMAP_LONG=1 in the
# environment means all.

cases=0

# drawn OF: is the next case to be tried?  Each is with one of OF seeds in a row.
drawn()
{
	cases=$((cases + 1))
	[ "${VIMAP_LONG:-}" = 1 ] ||
	    [ $(((${VIMAP_TEST_SEED:-0} + cases) % $1)) -eq 0 ]
}
