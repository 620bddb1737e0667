// The command line: every option, and its bounds on both sides.
#include "engine/config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/engine/config/command_line.h"

namespace tcpeek::engine {
namespace {

using flowtable::TunnelKind;
using flowtable::Tunnels;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST(Options, defaults) {
  const CommandLine line = parse({});
  const Options& options = line.options;
  EXPECT_EQ(line.print_and_exit, std::nullopt);
  EXPECT_EQ(options.user, std::nullopt);
  EXPECT_THAT(options.interfaces, IsEmpty());
  EXPECT_EQ(options.socket_path, "/var/run/tcpeek/tcpeek.sock");
  EXPECT_EQ(options.checksum, ChecksumMode::none);
  EXPECT_EQ(options.timeout, std::chrono::seconds(60));
  EXPECT_EQ(options.ring_mib, std::nullopt);
  EXPECT_EQ(options.log_level, 5);
  EXPECT_FALSE(options.log_to_syslog);
  EXPECT_FALSE(options.no_seccomp);
  EXPECT_FALSE(options.no_socket);
  EXPECT_FALSE(options.quiet);
  EXPECT_FALSE(options.promiscuous);
  EXPECT_FALSE(options.icmp);
  EXPECT_EQ(options.threads, std::nullopt);
  EXPECT_THAT(options.cpus, IsEmpty());
  EXPECT_EQ(options.max_sessions, std::nullopt);
  EXPECT_THAT(options.local, IsEmpty());
  EXPECT_EQ(options.copy_window, std::chrono::milliseconds(2));
  EXPECT_EQ(options.bpf, "");
  EXPECT_EQ(options.capture, CaptureMode::handshake);
  EXPECT_EQ(options.decap, std::nullopt);
  EXPECT_EQ(options.output, OutputFormat::text);
  EXPECT_EQ(options.colour, ColourMode::automatic);
  EXPECT_EQ(options.only, OutcomeChoice());
  EXPECT_EQ(options.duration, std::nullopt);
  EXPECT_EQ(options.count, std::nullopt);
  EXPECT_EQ(options.netns, std::nullopt);
  EXPECT_EQ(options.health.failing_percent, 50U);
  EXPECT_EQ(options.health.degraded_percent, 10U);
  EXPECT_EQ(options.health.min_attempts, 20U);
  EXPECT_EQ(options.health.failing_run, 3U);
  EXPECT_THAT(options.filters, SizeIs(2));
  EXPECT_THAT(options.warnings, IsEmpty());
}

TEST(Options, short_forms) {
  const Options options = options_of({"-u", "nobody", "-i", "eth0", "-U", "/tmp/s", "-c", "2", "-t",
                                      "5", "-B", "64", "-l", "debug", "-q"});
  EXPECT_EQ(options.user, "nobody");
  EXPECT_THAT(options.interfaces, ElementsAre("eth0"));
  EXPECT_EQ(options.socket_path, "/tmp/s");
  EXPECT_EQ(options.checksum, ChecksumMode::ip_and_transport);
  EXPECT_EQ(options.timeout, std::chrono::seconds(5));
  EXPECT_EQ(options.ring_mib, 64U);
  EXPECT_EQ(options.log_level, 7);
  EXPECT_TRUE(options.quiet);
}

TEST(Options, long_forms) {
  const Options options = options_of({"--user=1000",
                                      "--interface=eth0",
                                      "--interface",
                                      "eth1",
                                      "--socket=/tmp/s",
                                      "--checksum=1",
                                      "--timeout",
                                      "3600",
                                      "--buffer=4095",
                                      "--loglevel=LOG_WARNING",
                                      "--quiet",
                                      "--promisc",
                                      "--icmp",
                                      "--syslog",
                                      "--no-seccomp",
                                      "--threads=4",
                                      "--cpus=0-3,8",
                                      "--max-sessions=5000",
                                      "--local=10.0.0.0/8",
                                      "--local",
                                      "[2001:db8::/32]",
                                      "--copy-window=0",
                                      "--bpf=net 10.0.0.0/8",
                                      "--capture",
                                      "tcp",
                                      "--decap=vxlan,ipip",
                                      "--output=json",
                                      "--failing-ratio=90",
                                      "--degraded-ratio",
                                      "20",
                                      "--alert-min-attempts=100",
                                      "--failing-run=5",
                                      "web:RX@%:80"});
  EXPECT_EQ(options.user, "1000");
  EXPECT_THAT(options.interfaces, ElementsAre("eth0", "eth1"));
  EXPECT_EQ(options.socket_path, "/tmp/s");
  EXPECT_EQ(options.checksum, ChecksumMode::ip_header);
  EXPECT_EQ(options.timeout, std::chrono::seconds(3600));
  EXPECT_EQ(options.ring_mib, 4095U);
  EXPECT_EQ(options.log_level, 4);
  EXPECT_TRUE(options.quiet && options.promiscuous && options.icmp && options.log_to_syslog &&
              options.no_seccomp);
  EXPECT_EQ(options.threads, 4U);
  EXPECT_THAT(options.cpus, ElementsAre(0, 1, 2, 3, 8));
  EXPECT_EQ(options.max_sessions, 5000U);
  ASSERT_THAT(options.local, SizeIs(2));
  EXPECT_EQ(to_string(options.local[0]), "10.0.0.0/8");
  EXPECT_EQ(to_string(options.local[1]), "2001:db8::/32");
  EXPECT_EQ(options.copy_window, std::chrono::microseconds(0));
  EXPECT_EQ(options.bpf, "net 10.0.0.0/8");
  EXPECT_EQ(options.capture, CaptureMode::tcp);
  EXPECT_TRUE(options.decap && options.decap->has(TunnelKind::vxlan) &&
              options.decap->has(TunnelKind::ipip));
  EXPECT_EQ(options.output, OutputFormat::json);
  EXPECT_EQ(options.health.failing_percent, 90U);
  EXPECT_EQ(options.health.degraded_percent, 20U);
  EXPECT_EQ(options.health.min_attempts, 100U);
  EXPECT_EQ(options.health.failing_run, 5U);
  ASSERT_THAT(options.filters, SizeIs(3));
  EXPECT_EQ(options.filters[2].name, "web");
}

TEST(Options, joined_and_grouped_forms) {
  const Options grouped = options_of({"-qi", "eth0"});
  EXPECT_TRUE(grouped.quiet);
  EXPECT_THAT(grouped.interfaces, ElementsAre("eth0"));
  EXPECT_THAT(options_of({"-ieth0"}).interfaces, ElementsAre("eth0"));
  EXPECT_THAT(options_of({"-qieth0"}).interfaces, ElementsAre("eth0"));
  EXPECT_EQ(options_of({"-t5"}).timeout, std::chrono::seconds(5));
  EXPECT_TRUE(options_of({"-q", "-q", "--quiet"}).quiet);
}

TEST(Options, expressions_stand_anywhere) {
  const Options options = options_of({"a:RX@%:1", "-i", "eth0", ":RX@*:22", "-q", "b:TX@[::1]:3"});
  ASSERT_THAT(options.filters, SizeIs(5));
  EXPECT_EQ(options.filters[2].name, "a");
  EXPECT_TRUE(options.filters[3].excludes());
  EXPECT_EQ(options.filters[4].name, "b");
  EXPECT_THAT(options.interfaces, ElementsAre("eth0"));
}

TEST(Options, two_dashes_end_the_options) {
  const Options options = options_of({"-q", "--", "-a:RX@%:1", "--b:RX@%:2"});
  EXPECT_TRUE(options.quiet);
  ASSERT_THAT(options.filters, SizeIs(4));
  EXPECT_EQ(options.filters[2].name, "-a");
  EXPECT_EQ(options.filters[3].name, "--b");
  EXPECT_THAT(message_of({"--", "-q"}), StartsWith("filter expression: no ':' found"));
  EXPECT_THAT(message_of({"--", "--"}), StartsWith("filter expression: no ':' found"));
  EXPECT_EQ(message_of({"--"}), "accepted");
  EXPECT_EQ(message_of({"--", "--quiet=1:RX@%:%"}), "accepted");
}

TEST(Options, an_expression_keeps_its_brackets_and_commas) {
  const Options options = options_of({"[x]:TX@[::1]:1,[::2]:2,10.0.0.0/8:3"});
  EXPECT_EQ(options.filters.at(2).name, "[x]");
  EXPECT_THAT(options.filters[2].terms, SizeIs(3));
  EXPECT_THAT(message_of({"[a,b]"}), HasSubstr("\n  [a,b]\n"));
}

TEST(Options, numbers_at_their_bounds) {
  EXPECT_EQ(options_of({"-c0"}).checksum, ChecksumMode::none);
  EXPECT_EQ(options_of({"-t", "1"}).timeout, std::chrono::seconds(1));
  EXPECT_EQ(options_of({"-t", "0060"}).timeout, std::chrono::seconds(60));
  EXPECT_EQ(options_of({"-B", "1"}).ring_mib, 1U);
  EXPECT_EQ(options_of({"--threads", "1"}).threads, 1U);
  EXPECT_EQ(options_of({"--threads", "256"}).threads, 256U);
  EXPECT_EQ(options_of({"--max-sessions", "1"}).max_sessions, 1U);
  EXPECT_EQ(options_of({"--max-sessions", "100000000"}).max_sessions, 100'000'000U);
  EXPECT_EQ(options_of({"--copy-window", "1000"}).copy_window, std::chrono::seconds(1));
  EXPECT_EQ(options_of({"--failing-ratio", "100"}).health.failing_percent, 100U);
  EXPECT_EQ(options_of({"--degraded-ratio", "1"}).health.degraded_percent, 1U);
  EXPECT_EQ(options_of({"--degraded-ratio", "1", "--failing-ratio", "1"}).health.failing_percent,
            1U);
  EXPECT_EQ(options_of({"--alert-min-attempts", "1"}).health.min_attempts, 1U);
  EXPECT_EQ(options_of({"--alert-min-attempts", "1000000"}).health.min_attempts, 1'000'000U);
  EXPECT_EQ(options_of({"--failing-run", "1"}).health.failing_run, 1U);
  EXPECT_EQ(options_of({"--failing-run", "1000"}).health.failing_run, 1000U);
  EXPECT_THAT(options_of({"--cpus", "1023"}).cpus, ElementsAre(1023));
  EXPECT_THAT(options_of({"--cpus", "0"}).cpus, ElementsAre(0));
}

TEST(Options, degraded_begins_before_failing) {
  EXPECT_EQ(message_of({"--degraded-ratio=51"}),
            "--degraded-ratio: 51 is more than --failing-ratio (50); give at most as much");
  EXPECT_EQ(message_of({"--failing-ratio=9"}),
            "--degraded-ratio: 10 is more than --failing-ratio (9); give at most as much");
  EXPECT_EQ(message_of({"--degraded-ratio=51", "--failing-ratio=51"}), "accepted");
}

TEST(Options, numbers_beyond_their_bounds_and_no_numbers) {
  const std::vector<std::string> never{"",    "-1", "+1",  " 1",  "1 ", "1x",
                                       "0x1", "k",  "1.5", "1e3", "5k", "18446744073709551617"};
  struct Case {
    std::string option;
    std::vector<std::string> beyond;
    std::string allowed;
  };
  const Case cases[] = {
      {"--checksum", {"3", "12"}, "0 (none), 1 (IP header) or 2 (IP header and TCP)"},
      {"--timeout", {"0", "3601"}, "a number of seconds from 1 to 3600"},
      {"--buffer", {"0", "4096"}, "a number of MiB from 1 to 4095"},
      {"--loglevel",
       {"8", "LOG_", "log_7", "notices", "debug "},
       "debug, info, notice, warning, err, crit, alert, emerg or a number from 0 to 7"},
      {"--threads", {"0", "257"}, "a number of readers from 1 to 256"},
      {"--max-sessions", {"0", "100000001"}, "a number of attempts from 1 to 100000000"},
      {"--copy-window", {"1001"}, "a number of milliseconds from 0 to 1000"},
      {"--failing-ratio", {"0", "101", "50%", "0.5"}, "a percentage from 1 to 100"},
      {"--degraded-ratio", {"0", "101", "10%", ".1"}, "a percentage from 1 to 100"},
      {"--alert-min-attempts", {"0", "1000001"}, "a number of attempts from 1 to 1000000"},
      {"--failing-run", {"0", "1001"}, "a number of failures from 1 to 1000"},
      {"--metrics-services", {"101", "1000"}, "a number of services from 0 to 100"},
      {"--cpus",
       {"1024", "0-1024", "0-256", "3-1", ",", "1,", ",1", "1,,2", "0-", "-", "0-1-2", "0 1",
        "0, 1"},
       "a list of at most 256 CPU numbers from 0 to 1023, such as 0-3,8"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> values = never;
    values.insert(values.end(), c.beyond.begin(), c.beyond.end());
    for (const std::string& value : values) {
      const std::string expected = c.option + ": '" + value + "' is not " + c.allowed;
      EXPECT_EQ(message_of({c.option.c_str(), value.c_str()}), expected);
    }
  }
}

std::string kinds(const Tunnels& tunnels) {
  std::string kinds;
  if (tunnels.has(TunnelKind::vxlan)) kinds += 'v';
  if (tunnels.has(TunnelKind::geneve)) kinds += 'e';
  if (tunnels.has(TunnelKind::gre)) kinds += 'g';
  if (tunnels.has(TunnelKind::ipip)) kinds += 'i';
  return kinds;
}

Tunnels decap(const char* list) {
  return options_of({"--decap", list}).decap.value();
}

TEST(Options, tunnels_to_look_into) {
  EXPECT_EQ(kinds(decap("none")), "");
  EXPECT_EQ(kinds(decap("all")), "vegi");
  EXPECT_EQ(kinds(decap("gre")), "g");
  EXPECT_EQ(kinds(decap("ipip,vxlan")), "vi");
  EXPECT_EQ(kinds(decap("geneve:7000,geneve")), "e");
  EXPECT_EQ(decap("all"), Tunnels::all());
  EXPECT_EQ(kinds(decap("all,vxlan:4790")), "vegi");
  // By default all of a file and none of an interface.
  EXPECT_EQ(options_of({"-i", "eth0"}).decoding().tunnels, Tunnels{});
  EXPECT_EQ(options_of({"-r", "a.pcap"}).decoding().tunnels, Tunnels::all());
  EXPECT_EQ(options_of({"-r", "a.pcap", "--decap=none"}).decoding().tunnels, Tunnels{});
}

TEST(Options, ports_of_tunnels) {
  const auto vxlan = [](const Tunnels& t, std::uint16_t port) { return t.is_vxlan(port); };
  EXPECT_TRUE(vxlan(decap("vxlan"), 4789) && vxlan(decap("vxlan"), 8472));
  EXPECT_TRUE(vxlan(decap("vxlan:4790"), 4790) && !vxlan(decap("vxlan:4790"), 4789));
  EXPECT_FALSE(vxlan(decap("vxlan:4790"), 8472));
  EXPECT_TRUE(decap("geneve:1").is_geneve(1) && !decap("geneve:1").is_geneve(6081));
  EXPECT_TRUE(decap("geneve:65535").is_geneve(65535));
  // The one that was named last has it.
  EXPECT_TRUE(decap("geneve:4789").is_geneve(4789) && !vxlan(decap("geneve:4789"), 4789));
  EXPECT_TRUE(vxlan(decap("vxlan:6081"), 6081) && !decap("vxlan:6081").is_geneve(6081));
}

TEST(Options, tunnels_that_are_none) {
  for (const char* list : {"", ",", "vxlan,", ",gre", "gre,,ipip", "VXLAN", "vxlan:", "vxlan:0",
                           "vxlan:65536", "gre:1", "ipip:4", "all:1", "none,gre", "all,none",
                           "vxlan 4789", " gre", "erspan", "vxlan:1:2"}) {
    EXPECT_EQ(message_of({"--decap", list}),
              std::string("--decap: '") + list +
                  "' is not none, all, or a list of vxlan[:PORT], geneve[:PORT], gre and ipip, "
                  "such as vxlan:4790,gre");
  }
}

TEST(Options, log_levels_by_every_name) {
  const std::vector<std::pair<const char*, int>> levels{
      {"emerg", 0},     {"panic", 0}, {"alert", 1},   {"crit", 2},     {"err", 3},
      {"error", 3},     {"warn", 4},  {"warning", 4}, {"notice", 5},   {"info", 6},
      {"debug", 7},     {"DEBUG", 7}, {"LOG_ERR", 3}, {"log_Info", 6}, {"LOG_NOTICE", 5},
      {"LOG_EMERG", 0}, {"0", 0},     {"7", 7}};
  for (const auto& [name, level] : levels) {
    EXPECT_EQ(options_of({"-l", name}).log_level, level) << name;
  }
}

TEST(Options, cpu_lists_are_sorted_and_unique) {
  EXPECT_THAT(options_of({"--cpus", "8,0-3,2-4,8,1"}).cpus, ElementsAre(0, 1, 2, 3, 4, 8));
  EXPECT_THAT(options_of({"--cpus=5-5"}).cpus, ElementsAre(5));
}

TEST(Options, interfaces) {
  EXPECT_THAT(options_of({"-i", "any"}).interfaces, ElementsAre("any"));
  EXPECT_THAT(options_of({"-i", "fifteen-letters"}).interfaces, ElementsAre("fifteen-letters"));
  const std::string allowed = " is not an interface name of 1 to 15 characters, or any";
  for (const std::string name :
       {"", "sixteen--letters", "a/b", "a b", "a:0", ".", "..", "eth0,eth1:"}) {
    EXPECT_EQ(message_of({"-i", name.c_str()}), "--interface: '" + name + "'" + allowed);
  }
  EXPECT_EQ(message_of({"-i", "eth0", "-i", "lo", "-i", "eth0"}),
            "--interface: 'eth0' is given twice; once is enough");
  const std::string alone = "--interface: 'any' stands for every interface; give it alone";
  EXPECT_EQ(message_of({"-i", "any", "-i", "eth0"}), alone);
  EXPECT_EQ(message_of({"-i", "eth0", "-i", "any"}), alone);

  std::vector<std::string> names;
  for (int i = 0; i < 65; ++i) names.push_back("-iv" + std::to_string(i));
  Arguments arguments;
  for (const std::string& name : names) arguments.push_back(name.c_str());
  EXPECT_EQ(message_of(arguments),
            "--interface: at most 64 interfaces are watched at once; 'any' stands for all");
  arguments.pop_back();
  EXPECT_THAT(options_of(arguments).interfaces, SizeIs(64));
}

TEST(Options, users_sockets_and_filters_for_libpcap) {
  EXPECT_EQ(message_of({"-u", ""}), "--user: '' is not a user name or number");
  EXPECT_EQ(message_of({"-U", ""}), "--socket: '' is not a path of 1 to 107 bytes");
  const std::string longest(107, 's');
  EXPECT_EQ(options_of({"-U", longest.c_str()}).socket_path, longest);
  const std::string longer(108, 's');
  EXPECT_EQ(message_of({"-U", longer.c_str()}),
            "--socket: '" + longer + "' is not a path of 1 to 107 bytes");
  EXPECT_EQ(message_of({"--bpf", ""}), "--bpf: '' is not a libpcap filter expression");
  EXPECT_EQ(message_of({"--bpf", "  "}), "--bpf: '  ' is not a libpcap filter expression");
}

TEST(Options, words) {
  EXPECT_EQ(options_of({"--capture=handshake"}).capture, CaptureMode::handshake);
  EXPECT_EQ(options_of({"--output=text"}).output, OutputFormat::text);
  EXPECT_EQ(message_of({"--capture", "TCP"}), "--capture: 'TCP' is not handshake or tcp");
  EXPECT_EQ(message_of({"--capture", ""}), "--capture: '' is not handshake or tcp");
  EXPECT_EQ(message_of({"--output", "xml"}), "--output: 'xml' is not text or json");
}

TEST(Options, local_networks) {
  EXPECT_EQ(to_string(options_of({"--local", "::/0"}).local.at(0)), "::/0");
  EXPECT_EQ(to_string(options_of({"--local", "[2001:db8::]/32"}).local.at(0)), "2001:db8::/32");
  EXPECT_EQ(to_string(options_of({"--local=192.0.2.1"}).local.at(0)), "192.0.2.1/32");
  EXPECT_EQ(message_of(Arguments(1025, "--local=::1")),
            "--local: at most 1024 networks may be given");
  EXPECT_THAT(options_of(Arguments(1024, "--local=::1")).local, SizeIs(1024));
}

TEST(Options, warnings_are_gathered) {
  EXPECT_THAT(options_of({"a:RX@10.0.0.1/8:80", "--local=10.1.0.0/8"}).warnings,
              ElementsAre("--local: 10.1.0.0/8 has bits beyond its prefix, 10.0.0.0/8 is used",
                          "filter 'a:RX@10.0.0.1/8:80': 10.0.0.1/8 has bits beyond its prefix, "
                          "10.0.0.0/8 is used"));
}

TEST(Options, capture_files_in_order_and_what_does_not_go_with_them) {
  const Options options = options_of({"-r", "a", "--read=b", "-r-", "--threads", "3", "--icmp"});
  EXPECT_THAT(options.read_files, ElementsAre("a", "b", "-"));
  EXPECT_EQ(message_of({"-r", "-", "-r", "-"}), "--read: standard input (-) can be read only once");
  EXPECT_EQ(message_of({"-r", ""}),
            "--read: '' is not the path of a capture file, or - for standard input");
  const std::vector<std::vector<const char*>> live{{"-i", "lo"},
                                                   {"-U", "/run/s"},
                                                   {"-B", "8"},
                                                   {"--promisc"},
                                                   {"--capture=tcp"},
                                                   {"--cpus", "0"},
                                                   {"--no-socket"},
                                                   {"--failing-ratio=60"},
                                                   {"--degraded-ratio=5"},
                                                   {"--failing-run=5"},
                                                   {"--alert-min-attempts=5"},
                                                   {"--metrics-listen=1"},
                                                   {"--metrics-services=1"},
                                                   {"--metrics-services-tx"},
                                                   {"--metrics-exemplars"},
                                                   {"--prefault"}};
  for (std::vector<const char*> arguments : live) {
    arguments.insert(arguments.end(), {"-r", "a"});
    EXPECT_THAT(message_of(arguments), HasSubstr("for live capture only, cannot be combined"));
  }
}

}  // namespace
}  // namespace tcpeek::engine
