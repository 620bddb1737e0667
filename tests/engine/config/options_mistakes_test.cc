// Mistakes on the command line: what the messages say is wrong, allowed, and probably meant.
#include "engine/config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/engine/config/command_line.h"

namespace tcpeek::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Options, a_local_network_that_is_none_is_explained) {
  const std::string allowed = ": IPv4 or IPv6, with /LENGTH for a network";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "an address is missing" + allowed},
      {"eth0", "'eth0' is not an address" + allowed},
      {"%", "'%' is not an address" + allowed},
      {"10.0.0.0/33", "'10.0.0.0/33' is not a network: '33' is not a prefix length from 0 to 32"},
      {"10.0.0.0/", "'10.0.0.0/' is not a network: '' is not a prefix length from 0 to 32"},
      {"10.0.0.0/8,192.0.2.0/24",
       "'10.0.0.0/8,192.0.2.0/24' is not a network: '8,192.0.2.0/24' is not a prefix length from 0 "
       "to 32"},
      {"::/129", "'::/129' is not a network: '129' is not a prefix length from 0 to 128"},
      {"[::]/129", "'[::]/129' is not a network: '129' is not a prefix length from 0 to 128"},
      {"[::1", "'[::1' is not a network: ']' is missing: an IPv6 address is written [ADDRESS]"},
      {"[::1]x", "'[::1]x' is not a network: unexpected 'x' after ']'"},
      {"[10.0.0.1]", "'[10.0.0.1]' is not a network: '10.0.0.1' is not an address" + allowed},
      {"10/8", "'10/8' is not a network: '10' is not an address" + allowed},
      {"10.0.0.\x1b", "'10.0.0.\\x1b' is not an address" + allowed},
  };
  for (const auto& [net, reason] : cases) {
    EXPECT_EQ(message_of({"--local", net.c_str()}), "--local: " + reason);
  }
}

TEST(Options, missing_values) {
  EXPECT_EQ(message_of({"-t"}), "--timeout needs a value: a number of seconds from 1 to 3600");
  EXPECT_EQ(message_of({"-q", "--timeout"}),
            "--timeout needs a value: a number of seconds from 1 to 3600");
  EXPECT_EQ(message_of({"-qt"}), "--timeout needs a value: a number of seconds from 1 to 3600");
  EXPECT_EQ(message_of({"--output=", "json"}), "--output needs a value: text or json");
  EXPECT_EQ(message_of({"--cpus="}),
            "--cpus needs a value: a list of at most 256 CPU numbers from 0 to 1023, such "
            "as 0-3,8");
  EXPECT_EQ(message_of({"-i", "--icmp"}),
            "--interface needs a value before --icmp: an interface name of 1 to 15 "
            "characters, or any");
  EXPECT_EQ(message_of({"-u", "-q", "x"}), "--user needs a value before -q: a user name or number");
  EXPECT_EQ(message_of({"--interface"}),
            "--interface needs a value: an interface name of 1 to 15 characters, or any");
  EXPECT_EQ(message_of({"--interface", "--timeout=5"}),
            "--interface needs a value before --timeout=5: an interface name of 1 to 15 "
            "characters, or any");
  EXPECT_EQ(message_of({"-u", "--buffer=\x1b[2J\r"}),
            "--user needs a value before --buffer=\\x1b[2J\\x0d: a user name or number");
  for (const char* option : {"-u",
                             "-i",
                             "-U",
                             "-c",
                             "-t",
                             "-B",
                             "-l",
                             "--threads",
                             "--cpus",
                             "--max-sessions",
                             "--local",
                             "--copy-window",
                             "--bpf",
                             "--capture",
                             "--decap",
                             "--output",
                             "--failing-ratio",
                             "--degraded-ratio",
                             "--alert-min-attempts",
                             "--failing-run",
                             "--metrics-listen",
                             "--metrics-services"}) {
    EXPECT_THAT(message_of({option}), HasSubstr(" needs a value: ")) << option;
  }
}

TEST(Options, values_where_none_belongs) {
  EXPECT_EQ(message_of({"--quiet=1"}), "--quiet: takes no value, but '1' was given");
  EXPECT_EQ(message_of({"--icmp="}), "--icmp: takes no value, but '' was given");
  EXPECT_EQ(message_of({"--help=all"}), "--help: takes no value, but 'all' was given");
}

TEST(Options, given_more_than_once) {
  EXPECT_EQ(message_of({"-t", "5", "--timeout=6"}),
            "--timeout: given more than once ('5', then '6'); give it once");
  for (const char* option : {"-u1",
                             "-Ux",
                             "-c1",
                             "-t1",
                             "-B1",
                             "-l1",
                             "--threads=1",
                             "--cpus=1",
                             "--max-sessions=1",
                             "--copy-window=1",
                             "--bpf=tcp",
                             "--capture=tcp",
                             "--decap=gre",
                             "--prefilter=on",
                             "--output=json",
                             "--only=failure",
                             "--color=never",
                             "--duration=1",
                             "--count=1",
                             "--netns=a",
                             "--failing-ratio=50",
                             "--degraded-ratio=5",
                             "--alert-min-attempts=1",
                             "--failing-run=1",
                             "--metrics-listen=1",
                             "--metrics-services=1"}) {
    EXPECT_EQ(message_of({option}), "accepted");
    EXPECT_THAT(message_of({option, option}), HasSubstr(": given more than once (")) << option;
  }
}

TEST(Options, unknown_ones_are_named) {
  EXPECT_EQ(message_of({"--timout=5"}), "'--timout' is not an option: did you mean --timeout?");
  EXPECT_EQ(message_of({"--interfaces", "eth0"}),
            "'--interfaces' is not an option: did you mean --interface?");
  EXPECT_EQ(message_of({"--frobnicate"}), "'--frobnicate' is not an option; --help lists them all");
  EXPECT_EQ(message_of({"-x"}), "'-x' is not an option; --help lists them all");
  EXPECT_EQ(message_of({"-qx"}), "'-x' is not an option; --help lists them all");
  EXPECT_EQ(message_of({"-1"}), "'-1' is not an option; --help lists them all");
  EXPECT_EQ(message_of({"-"}), "'-' is not an option; --help lists them all");
  EXPECT_EQ(message_of({"---"}), "'---' is not an option; --help lists them all");
}

TEST(Options, near_misses_are_suggested_likeliest_first) {
  const std::vector<std::pair<const char*, std::string>> cases{
      {"--quite", "--quiet"},       {"--QUIET", "--quiet"},
      {"--time", "--timeout"},      {"--time=5", "--timeout"},
      {"--cap", "--capture"},       {"--copy", "--copy-window"},
      {"--bfp", "--bpf"},           {"--no", "--no-socket or --no-seccomp"},
      {"--no-sock", "--no-socket"}, {"--so", "--socket"},
      {"--max", "--max-sessions"},  {"--lo", "--loglevel or --local"},
  };
  for (const auto& [given, meant] : cases) {
    EXPECT_THAT(message_of({given, "5"}),
                testing::EndsWith("' is not an option: did you mean " + meant + "?"))
        << given;
  }
}

TEST(Options, a_capture_file_without_its_option_is_recognized) {
  for (const std::string name : {"a.pcap", "/no/such/dir/b.pcapng.gz", "12:30:00.cap", "x.pcap.zst",
                                 "y.pcapng.xz", "C:RX.pcap.bz2"}) {
    EXPECT_EQ(message_of({"-q", name.c_str()}),
              "'" + name + "' is not a filter expression: did you mean -r " + name + "?");
    // The shell has expanded a pattern behind -r.
    EXPECT_THAT(message_of({"-r", "first.pcap", name.c_str()}),
                HasSubstr("did you mean -r " + name + "?"));
  }
  EXPECT_EQ(message_of({"my file\n.pcap"}),
            "'my file\\x0a.pcap' is not a filter expression: did you mean -r 'my file\\x0a.pcap'?");
  const std::string existing = "/proc/self/exe";
  EXPECT_THAT(message_of({existing.c_str()}), HasSubstr("did you mean -r /proc/self/exe?"));
  EXPECT_THAT(message_of({"/proc"}), StartsWith("filter expression: ")) << "a directory";
  EXPECT_THAT(message_of({"eth0"}),
              HasSubstr("an interface is given with -i, a capture file with -r"));
  // What is a filter stays one, whatever its name ends with.
  EXPECT_EQ(message_of({"a:RX@%:80"}), "accepted");
  EXPECT_THAT(message_of({"a:RX@%:1", "a:RX@%:1"}), HasSubstr("is used by an earlier filter"));
}

TEST(Options, explain_is_for_files_and_says_how_to_ask_live) {
  EXPECT_TRUE(options_of({"--explain", "-r", "a"}).explain);
  EXPECT_FALSE(options_of({"-r", "a"}).explain);
  EXPECT_THAT(message_of({"--explain"}), HasSubstr("for a running tcpeek, use tcpeekstat explain"));
}

TEST(Options, a_page_needs_the_server_of_metrics) {
  EXPECT_TRUE(options_of({"--web", "--metrics-listen=9475"}).web);
  EXPECT_THAT(message_of({"--web"}), HasSubstr("needs --metrics-listen"));
  EXPECT_THAT(message_of({"--web", "-r", "a"}), HasSubstr("cannot be combined with --read"));
}

TEST(Options, a_report_is_of_files) {
  const Options options = options_of({"--report=out.html", "--redact", "-r", "a"});
  EXPECT_EQ(options.report, "out.html");
  EXPECT_TRUE(options.redact);
  EXPECT_THAT(message_of({"--report=out.html"}),
              HasSubstr("needs --read; a running tcpeek serves"));
  EXPECT_THAT(message_of({"--redact"}), HasSubstr("needs --read"));
  EXPECT_THAT(message_of({"--report=folder/", "-r", "a"}),
              HasSubstr("the path of a file to write"));
}

TEST(Options, no_socket_contradicts_socket) {
  EXPECT_TRUE(options_of({"--no-socket"}).no_socket);
  EXPECT_EQ(message_of({"--no-socket", "-U", "/tmp/s"}),
            "--no-socket: cannot be combined with --socket; give one of them");
  EXPECT_EQ(message_of({"-U", "/tmp/s", "--no-socket"}),
            "--no-socket: cannot be combined with --socket; give one of them");
}

TEST(Options, bad_expressions_come_with_their_caret) {
  EXPECT_EQ(message_of({"-i", "eth0", "web:RX@%:0"}),
            "filter expression: '0' is not a port: 1 to 65535, a range such as 8000-8099, % or *\n"
            "  web:RX@%:0\n"
            "           ^");
  EXPECT_THAT(message_of({""}), StartsWith("filter expression: the expression is empty"));
  EXPECT_THAT(message_of({"a:RX@%:1", "a:RX@%:1"}), HasSubstr("is used by an earlier filter"));
}

TEST(Options, messages_stay_on_one_line) {
  EXPECT_EQ(message_of({"-t", "1\n2\x1b[2J"}),
            "--timeout: '1\\x0a2\\x1b[2J' is not a number of seconds from 1 to 3600");
  EXPECT_THAT(message_of({"--a\nb"}), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace tcpeek::engine
