#!/bin/sh
# chaos.sh - some rounds of chaos, of seeds that are always the same and of the
# day's.

for seed in 1 2 "${VIMAP_TEST_SEED:-3}"; do
	./tests/chaos/chaos 1 "$seed" || exit 1
done
