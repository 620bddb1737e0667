// The command line and a configuration file together: which of them counts, and how what is wrong in the
// file is shown.
#include "engine/config/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/engine/config/command_line.h"

namespace tcpeek::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A command line with --config=f, where f has this text.
CommandLine both(const std::string& text, Arguments arguments = {}) {
  arguments.push_back("--config=f");
  return parse_command_line(arguments, [&](const std::string& path) {
    EXPECT_EQ(path, "f");
    return text;
  });
}

Options options_of_both(const std::string& text, Arguments arguments = {}) {
  return both(text, std::move(arguments)).options;
}

std::string mistake_in(const std::string& text, Arguments arguments = {}) {
  try {
    static_cast<void>(both(text, std::move(arguments)));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<std::string> filters_of(const Options& options) {
  std::vector<std::string> texts;
  for (const FilterExpression& filter : options.filters) texts.push_back(filter.text);
  return texts;
}

TEST(Settings, every_option_may_stand_in_a_file) {
  const Options options = options_of_both(
      "user = nobody\ninterface = [eth0, eth1]\nsocket = /tmp/s\nchecksum = 2\ntimeout = 5\n"
      "buffer = 64\nloglevel = debug\nthreads = 2\ncpus = 0-3,8\nmax-sessions = 1000\n"
      "local = 10.0.0.0/8, 2001:db8::/32\ncopy-window = 0\nbpf = not port 22\ncapture = tcp\n"
      "decap = vxlan:4790,gre\noutput = json\nfailing-ratio = 60\ndegraded-ratio = 20\n"
      "alert-min-attempts = 7\nfailing-run = 9\nquiet\npromisc = true\nicmp = yes\nsyslog = on\n"
      "no-seccomp = 1\nonly = [timeout, refused]\ncolor = always\nduration = 3\ncount = 4\n"
      "netns = 17\n");
  EXPECT_EQ(options.only, OutcomeChoice::parse("timeout,refused"));
  EXPECT_EQ(options.colour, ColourMode::always);
  EXPECT_EQ(options.duration, std::chrono::seconds(3));
  EXPECT_EQ(options.count, 4U);
  EXPECT_EQ(options.netns, "17");
  EXPECT_EQ(options.user, "nobody");
  EXPECT_THAT(options.interfaces, ElementsAre("eth0", "eth1"));
  EXPECT_EQ(options.socket_path, "/tmp/s");
  EXPECT_EQ(options.checksum, ChecksumMode::ip_and_transport);
  EXPECT_EQ(options.timeout, std::chrono::seconds(5));
  EXPECT_EQ(options.ring_mib, 64U);
  EXPECT_EQ(options.log_level, 7);
  EXPECT_EQ(options.threads, 2U);
  EXPECT_THAT(options.cpus, ElementsAre(0, 1, 2, 3, 8));
  EXPECT_EQ(options.max_sessions, 1000U);
  EXPECT_THAT(options.local, SizeIs(2));
  EXPECT_EQ(options.copy_window, std::chrono::microseconds(0));
  EXPECT_EQ(options.bpf, "not port 22");
  EXPECT_EQ(options.capture, CaptureMode::tcp);
  EXPECT_TRUE(options.decap->has(flowtable::TunnelKind::gre));
  EXPECT_EQ(options.output, OutputFormat::json);
  EXPECT_EQ(options.health.failing_percent, 60U);
  EXPECT_EQ(options.health.degraded_percent, 20U);
  EXPECT_EQ(options.health.min_attempts, 7U);
  EXPECT_EQ(options.health.failing_run, 9U);
  EXPECT_TRUE(options.quiet && options.promiscuous && options.icmp && options.log_to_syslog &&
              options.no_seccomp);
  EXPECT_EQ(options_of_both("read = a.pcap").read_files.front(), "a.pcap");
  EXPECT_TRUE(options_of_both("no-socket").no_socket);
}

TEST(Settings, none_is_left_out_of_files) {
  for (const ValueOption& option : value_options()) {
    const std::string key(long_name(option.names).substr(2));
    EXPECT_EQ(mistake_in(key),
              "f:1: " + key + " needs a value: " + option.allowed + "\n  " + key + "\n  ^");
  }
  for (const FlagOption& option : flag_options()) {
    const std::string key(long_name(option.names).substr(2));
    if (key == "explain" || key == "redact") continue;  // for capture files alone
    if (key == "web") continue;                         // needs metrics-listen
    EXPECT_TRUE(options_of_both(key + " = true").*option.flag) << key;
    for (const char* no : {"false", "no", "off", "0"}) {
      EXPECT_FALSE(options_of_both(key + " = " + no).*option.flag) << key;
    }
    EXPECT_THAT(mistake_in(key + " = maybe"), HasSubstr("'maybe' is not true or false\n"));
  }
}

TEST(Settings, the_command_line_goes_before_the_file) {
  const std::string file = "timeout = 5\ninterface = [eth0, eth1]\nlocal = 10.0.0.0/8\n";
  const Options options = options_of_both(file, {"-t", "7", "-i", "lo"});
  EXPECT_EQ(options.timeout, std::chrono::seconds(7));
  EXPECT_THAT(options.interfaces, ElementsAre("lo"));
  EXPECT_THAT(options.local, SizeIs(1));
}

TEST(Settings, the_two_ways_with_a_socket_replace_each_other) {
  EXPECT_TRUE(options_of_both("socket = /tmp/s", {"--no-socket"}).no_socket);
  const Options options = options_of_both("no-socket", {"-U", "/tmp/s"});
  EXPECT_FALSE(options.no_socket);
  EXPECT_EQ(options.socket_path, "/tmp/s");
}

TEST(Settings, what_is_for_live_capture_is_left_out_with_read) {
  const Options options = options_of_both(
      "interface = eth0\nbuffer = 4\nno-socket\nfailing-run = 2\ntimeout = 5\n[filters]\na = "
      "\"RX@%:1\"",
      {"-r", "a.pcap"});
  EXPECT_THAT(options.interfaces, IsEmpty());
  EXPECT_EQ(options.timeout, std::chrono::seconds(5));
  EXPECT_THAT(options.filters, SizeIs(3));
  EXPECT_EQ(mistake_in("read = a.pcap", {"-i", "eth0"}),
            "--interface: for live capture only, cannot be combined with --read");
}

TEST(Settings, filters_of_the_file_come_first) {
  const Options options = options_of_both(
      "[filters]\nweb.a = RX@%:80,10.0.0.0/8:81\ndb = [\"TX@%:1\", \"[::1]:2\"]\n"
      "exclude = [RX@%:22, \"TX@%:22,10.0.0.0/8:23\"]\nthe rest = \"RX@%:%\"\n",
      {"own:TX@%:9", ":TX@%:8"});
  EXPECT_THAT(filters_of(options),
              ElementsAre("RX:RX@%:%", "TX:TX@%:%", "web.a:RX@%:80,10.0.0.0/8:81",
                          "db:TX@%:1,[::1]:2", ":RX@%:22", ":TX@%:22,10.0.0.0/8:23",
                          "the rest:RX@%:%", "own:TX@%:9", ":TX@%:8"));
  EXPECT_THAT(options.warnings, SizeIs(1)) << "of the name with a blank";
}

TEST(Settings, mistakes_in_values_are_shown_with_their_line) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"quiet\ntimeout = 0",
       "f:2: timeout: '0' is not a number of seconds from 1 to 3600\n  timeout = 0\n            ^"},
      {"timeout = [1, 2]",
       "f:1: timeout: '1,2' is not a number of seconds from 1 to 3600\n  timeout = [1, 2]\n"
       "             ^"},
      {"interface = [eth0,\n  a/b]",
       "f:2: interface: 'a/b' is not an interface name of 1 to 15 characters, or any\n    a/b]\n"
       "    ^"},
      {"local = 10.0.0.0/33",
       "f:1: local: '10.0.0.0/33' is not a network: '33' is not a prefix length from 0 to 32\n"
       "  local = 10.0.0.0/33\n          ^"},
      {"interface = lo, lo",
       "f:1: interface: 'lo' is given twice; once is enough\n  interface = lo, lo\n"
       "                  ^"},
      {"degraded-ratio = 60",
       "f:1: degraded-ratio: 60 is more than --failing-ratio (50); give at most as much\n"
       "  degraded-ratio = 60\n                   ^"},
      {"no-socket\nsocket = /tmp/s",
       "f:1: no-socket: cannot be combined with --socket; give one of them\n  no-socket\n  ^"},
      {"read = a\npromisc",
       "f:2: promisc: for live capture only, cannot be combined with --read\n  promisc\n  ^"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(mistake_in(text), message);
}

TEST(Settings, unknown_keys_are_shown_with_what_was_meant) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"timeot = 1", "'timeot' is not an option: did you mean timeout?"},
      {"max_sessions = 1", "'max_sessions' is not an option: did you mean max-sessions?"},
      {"--timeout = 1", "'--timeout' is not an option: did you mean timeout?"},
      {"i = lo", "'i' is not an option: did you mean interface?"},
      {"q", "'q' is not an option: did you mean quiet?"},
      {"no = 1", "'no' is not an option: did you mean no-socket or no-seccomp?"},
      {"x = 1", "'x' is not an option; --help lists them all"},
      {"frobnicate = 1", "'frobnicate' is not an option; --help lists them all"},
      {"orders = \"RX@%:80\"", "'orders' is not an option: filters are below [filters]"},
      {"config = g", "'config' is for the command line alone"},
      {"reload", "'reload' is for the command line alone"},
      {"help", "'help' is for the command line alone"},
      {"version", "'version' is for the command line alone"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_EQ(mistake_in(text), "f:1: " + reason + "\n  " + text + "\n  ^");
  }
  EXPECT_THAT(mistake_in(std::string(100'000, 'x')), HasSubstr("is not an option;"));
}

TEST(Settings, mistakes_in_filters_are_shown_with_their_line) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"web = \"RX@%:0\"",
       "'0' is not a port: 1 to 65535, a range such as 8000-8099, % or *\n  web = \"RX@%:0\"\n"
       "              ^"},
      {"web = [\"RX@%:1\",\"10.0.0.0:0\"]",
       "'0' is not a port: 1 to 65535, a range such as 8000-8099, % or *\n"
       "  web = [\"RX@%:1\",\"10.0.0.0:0\"]\n                            ^"},
      {"exclude = [\"RX@%:1\", \"QX@%:1\"]",
       "'QX' is not a direction: RX (the responder is local) or TX (the initiator is local), in "
       "capitals\n  exclude = [\"RX@%:1\", \"QX@%:1\"]\n                        ^"},
      {"web = RX@%", "':PORT' is missing after the address\n  web = RX@%\n            ^"},
      {"pcap = RX@%:1",
       "the name 'pcap' is reserved: it is a key of the socket's reply\n  pcap = RX@%:1\n  ^"},
      {"RX = RX@%:1",
       "the name 'RX' is taken by the filter that always exists\n  RX = RX@%:1\n  ^"},
      {"\"\" = RX@%:1",
       "a name is missing; what excludes is a list: exclude = [...]\n  \"\" = RX@%:1\n   ^"},
      {"web", "what 'web' counts is missing: NAME = \"RX@ADDR:PORT\"\n  web\n  ^"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(mistake_in("[filters]\n" + text), "f:2: " + message);
  }
}

TEST(Settings, a_filter_of_both_is_the_command_lines_mistake) {
  EXPECT_EQ(mistake_in("[filters]\nweb = RX@%:1", {"web:RX@%:2"}),
            "filter expression: the name 'web' is used by an earlier filter\n  web:RX@%:2\n  ^");
}

TEST(Settings, too_many_filters_are_refused_where_they_become_too_many) {
  std::string text = "[filters]\n";
  for (std::size_t i = 1; i <= kMaxFilters; ++i) text += "f" + std::to_string(i) + " = RX@%:1\n";
  EXPECT_THAT(mistake_in(text), HasSubstr("f:1024: too many filters: at most 1024 filters"));
}

TEST(Settings, the_config_option_itself) {
  EXPECT_EQ(message_of({"--config"}), "--config needs a value: the path of a file");
  EXPECT_EQ(message_of({"--config="}), "--config needs a value: the path of a file");
  EXPECT_EQ(message_of({"--config", "-q"}), "--config needs a value before -q: the path of a file");
  EXPECT_EQ(message_of({"--config=a", "--config=b"}),
            "--config: given more than once ('a', then 'b'); give it once");
  EXPECT_EQ(message_of({"--config=/none"}),
            "--config: cannot read '/none': No such file or directory");
}

}  // namespace
}  // namespace tcpeek::engine
