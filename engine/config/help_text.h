// What --help prints. Kept by hand, at most 80 columns wide; a test holds it against the options.
#pragma once

#include <string_view>

namespace tcpeek::engine {

inline constexpr std::string_view kHelpText =
    R"(Usage: tcpeek [OPTION]... [--] [EXPRESSION]...

Watches TCP connections being set up and counts what became of each attempt.

What is captured:
  -i, --interface=NAME    interface to watch, may be given several times; any
                          stands for all (default: the one of the default route)
  -r, --read=FILE         read a capture file instead (pcap, pcapng, also with
                          gzip or zstd; - is standard input), may be given
                          several times; without --local everything is local
      --local=NET         count NET as local besides the interfaces' addresses,
                          may be given several times (mirror ports)
      --bpf=EXPR          narrow the capture by a libpcap filter expression
      --capture=MODE      handshake (default): SYN, RST, ACKs without payload;
                          tcp: the headers of all TCP segments
      --promisc           put the interfaces into promiscuous mode
      --icmp              take ICMP destination unreachable into account
  -c, --checksum=MODE     verify checksums: 0 none (default), 1 IP header,
                          2 IP header and TCP

How it works:
  -t, --timeout=SECONDS   an attempt without news for so long has timed out,
                          1 to 3600 (default: 60)
      --copy-window=MS    a segment seen again within MS milliseconds is a copy
                          made by the capture, 0 to 1000, 0 is off (default: 2)
      --max-sessions=N    attempts followed at once, 1 to 100000000
                          (default: 1000000)
  -B, --buffer=MIB        capture ring of each reader, 1 to 4095 MiB
                          (default: chosen by the number of readers)
      --threads=N         readers, 1 to 256 (default: by the number of CPUs,
                          one for capture files)
      --cpus=LIST         CPUs the readers are pinned to, such as 0-3,8
  -u, --user=USER         give up privileges for USER, a name or a number, once
                          everything is open
      --no-seccomp        do not filter system calls, to look for errors

What it tells:
  -U, --socket=PATH       where to serve the counts
                          (default: /var/run/tcpeek/tcpeek.sock)
      --output=FORMAT     text (default) or json: one object per attempt on
                          standard output
  -q, --quiet             no line for each attempt
  -l, --loglevel=LEVEL    debug, info, notice (default), warning, err, crit,
                          alert, emerg, with or without LOG_, or 7 to 0
      --syslog            messages to syslog instead of standard error
  -h, --help              print this help and exit
  -v, --version           print the version and exit

Expressions count chosen connections apart, under a name:
  [NAME]:DIR@ADDR:PORT[:PORT...][,ADDR:PORT[:PORT...]]...

  NAME  one word of your choice; without it, what matches is counted nowhere
  DIR   RX: the responder is local; TX: the initiator is local
  ADDR  the remote peer: an address or ADDRESS/LENGTH, IPv6 in brackets as in
        [2001:db8::/32], % or * for any
  PORT  the responder's port: a number, a range such as 8000-8099, % or *

  RX:RX@%:% and TX:TX@%:% always exist. Quote * from the shell, or write %.

Examples:
  tcpeek -i eth0
      every connection over eth0
  tcpeek -i eth0 web:RX@%:80:443 db:TX@10.1.0.0/16:5432,[2001:db8::5]:5432
      web clients and the way to the databases, counted apart as well
  tcpeek -i any --icmp :RX@%:22 :TX@%:22
      everything but ssh, unreachable hosts told apart
  tcpeek -q -r last-night.pcapng.gz --local=192.0.2.0/24
      what became of the connections in a capture file
)";

}  // namespace tcpeek::engine
