#!/usr/bin/env perl
# peer_mce.pl - the workloads on Perl's MCE, fed by an iterator, gathering as
# results come.
#
# Usage: peer_mce.pl WORKLOAD ITEMS [WORKERS [CHUNK]]
# Prints what the C programs print (bench.h), and does the same with each item.
# Exit status 77 if MCE is not installed.

use strict;
use warnings;

BEGIN {
	if (!eval { require MCE; MCE->import(); 1 }) {
		print STDERR "peer_mce.pl: MCE is not installed\n";
		exit 77;
	}
}
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID);

my $start_items = 4;
my $skew_seed = 20261121;
my $word = 0xffffffff;
my $byte = "\x5a";
my %sizes = (kib => 1024, mib => 1024 * 1024);

my ($name, $items, $workers, $chunk) = @ARGV;
die "usage: peer_mce.pl WORKLOAD ITEMS [WORKERS [CHUNK]]\n" if !$items;
$workers ||= 2;
$chunk ||= 1;
my $mask = $byte x ($sizes{$name} || 0);
my $body = "\0" x (($sizes{$name} || 16) - 16);
my ($count, $total) = (0, 0);

# Keeps this process busy for so much CPU time.
sub burn
{
	my $end = clock_gettime(CLOCK_PROCESS_CPUTIME_ID) + $_[0];

	1 while clock_gettime(CLOCK_PROCESS_CPUTIME_ID) < $end;
}

# As in bench.c.
sub is_heavy
{
	my $h = ($_[0] * 2654435769 + $skew_seed) & $word;

	$h ^= $h >> 15;
	$h = ($h * 2246822519) & $word;
	return ($h >> 16) % 100 == 0;
}

my %runs = (
	tiny => sub { 2 * $_[0] + 1 },
	start => sub { 2 * $_[0] + 1 },
	kib => sub { $_[0] ^ $mask },
	mib => sub { $_[0] ^ $mask },
	ms => sub { burn(1e-3); 2 * $_[0] + 1 },
	skew => sub { burn(is_heavy($_[0]) ? 50e-3 : 0.2e-3); 2 * $_[0] + 1 },
);
my $run = $runs{$name} or die "peer_mce.pl: no workload $name\n";

sub input
{
	return $_[0] if !$sizes{$name};
	my $number = pack('Q<', $_[0]);
	return $number . $body . $number;
}

# An iterator over so many inputs, a chunk a call.
sub inputs
{
	my ($end) = @_;
	my $next = 0;

	return sub {
		return if $next >= $end;
		my $last = $next + $chunk < $end ? $next + $chunk : $end;
		my @part = map { input($_) } $next .. $last - 1;
		$next = $last;
		return @part;
	};
}

# Sums wrap at 64 bits, as in C.
sub gather
{
	use integer;
	for (@_) {
		$total += $sizes{$name} ? unpack('q<', $_) +
		    unpack('q<', substr($_, -8)) : $_;
		$count++;
	}
}

# The most memory this process has had, in KiB; 0 if that is not told.
sub peak_kib
{
	open(my $status, '<', '/proc/self/status') or return 0;
	my ($peak) = grep { /^VmHWM:/ } <$status>;
	return ($peak || '') =~ /(\d+)/ ? $1 : 0;
}

sub open_pool
{
	my $mce = MCE->new(
		max_workers => $workers,
		chunk_size => $chunk,
		gather => \&gather,
		user_func => sub {
			my (undef, $part) = @_;
			MCE->gather(map { $run->($_) } @$part);
		},
	);
	$mce->spawn();
	return $mce;
}

sub expected
{
	use integer;
	my $sum = 0;

	return $items * $start_items * $start_items if $name eq 'start';
	return $items * $items if !$sizes{$name};
	my $flip = unpack('q<', $byte x 8);
	$sum += 2 * ($_ ^ $flip) for 0 .. $items - 1;
	return $sum;
}

my $mce = $name eq 'start' ? undef : open_pool();
my $cpu = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
my $wall = clock_gettime(CLOCK_MONOTONIC);
if ($mce) {
	$mce->process(inputs($items));
} else {
	for (1 .. $items) {
		my $one = open_pool();
		$one->process(inputs($start_items));
		$one->shutdown();
	}
	$count /= $start_items;
}
$wall = clock_gettime(CLOCK_MONOTONIC) - $wall;
$cpu = clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $cpu;
printf "%u %.6f %.6f %u %u%s\n", $items, $wall, $cpu, $total, peak_kib(),
    $mce ? '' : sprintf(' %.3f ms', 1e3 * $wall / $items);
$mce->shutdown() if $mce;
die "peer_mce.pl: $name: $count results, checksum $total\n"
    if $count != $items || $total != expected();
