// The text of --help. Written by hand, at most 80 columns wide; a test compares it with the options.
#pragma once

#include <string_view>

namespace tcpeek::engine {

inline constexpr std::string_view kHelpText =
    R"(Usage: tcpeek [OPTION]... [--] [EXPRESSION]...

Watches TCP connections being set up and counts what became of each attempt.

Capture:
  -i, --interface=NAME    interface to watch, may be given several times; any
                          stands for all (default: that of the default route)
  -r, --read=FILE         read a capture file instead (pcap or pcapng, also
                          compressed by gzip or zstd; - is standard input), may
                          be given several times; without --local every address
                          is local
      --local=NET         count NET as local, too, besides the addresses of the
                          interfaces (mirror ports); may be given several times
      --bpf=EXPR          capture only what also matches this libpcap filter
      --capture=MODE      handshake (default): SYN, RST, FIN, and ACKs without
                          payload; tcp: the headers of all TCP segments
      --prefilter=MODE    drop ACKs of connections long set up, by eBPF: off
                          (default), auto (where the kernel lets it be loaded),
                          on (or do not start)
      --decap=LIST        tunnels to look into: vxlan, geneve, gre (and ERSPAN),
                          ipip; vxlan:PORT and geneve:PORT for other ports; all
                          (default of capture files) or none (default live)
      --netns=NAME        capture in this network namespace, a name or the ID of
                          a process, whose addresses are local then
      --promisc           put the interfaces into promiscuous mode
      --icmp              count ICMP errors that end an attempt as an outcome
  -c, --checksum=MODE     verify checksums: 0 none (default), 1 IP header,
                          2 IP header and TCP

Operation:
  -t, --timeout=SECONDS   an attempt times out after this long without a
                          handshake segment, 1 to 3600 (default: 60)
      --copy-window=MS    a segment seen again within MS milliseconds is a copy
                          made by the capture, 0 to 1000, 0 is off (default: 2)
      --max-sessions=N    attempts followed at once, 1 to 100000000
                          (default: 1000000, fewer on a host with little memory)
      --prefault          take the memory for them at the start, not on demand
  -B, --buffer=MIB        capture ring of each reader and interface, 1 to 4095
                          (default: 32 MiB for all together, 1 at least)
      --threads=N         readers, 1 to 256 (default: one for each CPU, at most
                          8; one for capture files)
      --cpus=LIST         CPUs the readers are pinned to, such as 0-3,8
      --config=FILE       also take options and filters from FILE; the command
                          line takes precedence (see tcpeek(8))
      --reload            send the filters, --local, --only, -l and the health
                          limits to the running tcpeek, and exit
  -u, --user=USER         become USER, a name or a number, once everything is
                          open
      --no-seccomp        do not filter system calls (for debugging, or where
                          the kernel has no seccomp)

Health, in STATS and as messages:
      --failing-ratio=PERCENT
                          share of failures that makes a filter failing, 1 to
                          100 (default: 50)
      --degraded-ratio=PERCENT
                          share of failures, or of successes after a repeat,
                          that makes it degraded, 1 to 100 (default: 10)
      --alert-min-attempts=N
                          attempts that must end within ten seconds or a minute
                          for a share to count, 1 to 1000000 (default: 20)
      --failing-run=N     with fewer, failures in a row that make it failing,
                          1 to 1000 (default: 3)

Output:
  -U, --socket=PATH       UNIX socket that serves the counts
                          (default: /var/run/tcpeek/tcpeek.sock)
      --no-socket         no socket: for a quick look beside the service
      --explain           at the end of capture files, on standard output: what
                          fails, whose fault it is and what to try next; live,
                          use tcpeekstat explain
      --report=FILE       at the end of capture files, write a page for the
                          browser: rates, latency, services, failures, explain
      --redact            of capture files: replace addresses by numbers, in
                          all output
      --output=FORMAT     text (default) or json: one object per attempt on
                          standard output
      --metrics-listen=ADDR:PORT
                          serve metrics by HTTP (/metrics, /healthz), to this
                          host alone with :PORT or PORT; IPv6 in brackets;
                          systemd: on the socket of tcpeek-metrics.socket
      --web               also serve a page for the browser there (/)
      --metrics-services=N
                          local ports with metrics of their own, the first N
                          that matter, 0 to 100 (default: 50)
      --metrics-services-tx
                          as many remote services, too, by address and port
      --metrics-exemplars failure counters name a peer (OpenMetrics)
      --only=LIST         show success, failure, or these results and causes
                          alone, such as timeout,refused; all are counted
      --color=WHEN        auto (default: on a terminal, unless NO_COLOR is set),
                          always or never
      --duration=SECONDS  end after this time, 1 to 1000000000
      --count=N           end after N outcomes, of those --only shows
  -q, --quiet             no line for each attempt
  -l, --loglevel=LEVEL    debug, info, notice (default), warning, err, crit,
                          alert, emerg, with or without LOG_, or 7 to 0
      --syslog            messages to syslog instead of standard error
  -h, --help              print this help and exit
  -v, --version           print the version and exit

Expressions count chosen connections separately, under a name:
  [NAME]:DIR@ADDR:PORT[:PORT...][,ADDR:PORT[:PORT...]]...

  NAME  a name of your choice, best of letters, digits, _, - and .; without a
        name, connections that match are counted nowhere
  DIR   RX: the responder is local; TX: the initiator is local
  ADDR  the remote peer: an address or ADDRESS/LENGTH, IPv6 in brackets as in
        [2001:db8::/32], % or * for any
  PORT  the responder's port: a number, a range such as 8000-8099, % or *

  RX:RX@%:% and TX:TX@%:% always exist. Quote * from the shell, or write %.

Examples:
  tcpeek -i eth0
      every connection over eth0
  tcpeek -i eth0 web:RX@%:80:443 db:TX@10.1.0.0/16:5432,[2001:db8::5]:5432
      web clients and connections to the databases, counted separately as well
  tcpeek -i any --icmp :RX@%:22 :TX@%:22
      everything but ssh, with unreachable hosts as an outcome of their own
  tcpeek -q -r last-night.pcapng.gz --local=192.0.2.0/24
      what became of the connections in a capture file
)";

}  // namespace tcpeek::engine
