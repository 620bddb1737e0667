// --help and --version, and that the help is true.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "engine/config/options.h"
#include "tests/engine/config/command_line.h"

namespace tcpeek::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Options, help_and_version) {
  EXPECT_EQ(parse({"-v"}).print_and_exit, "tcpeek 2.0.0\n");
  EXPECT_EQ(parse({"--version"}).print_and_exit, "tcpeek 2.0.0\n");
  const auto help = parse({"-h"}).print_and_exit;
  ASSERT_TRUE(help);
  EXPECT_EQ(parse({"--help"}).print_and_exit, help);
  // Asking for help helps, whatever else is wrong.
  EXPECT_EQ(parse({"--frobnicate", "-t", "x", "bad", "--help", "-v"}).print_and_exit, help);
}

TEST(Options, help_names_every_option_and_fits_a_terminal) {
  const std::string help = parse({"-h"}).print_and_exit.value();
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
    EXPECT_EQ(line.find('\t'), std::string::npos) << line;
  }
  for (const char* name : {"-u, --user=",
                           "-i, --interface=",
                           "-U, --socket=",
                           "-c, --checksum=",
                           "-t, --timeout=",
                           "-B, --buffer=",
                           "-l, --loglevel=",
                           "-q, --quiet ",
                           " --promisc ",
                           " --icmp ",
                           "-h, --help ",
                           "-v, --version ",
                           " --threads=",
                           " --cpus=",
                           " --max-sessions=",
                           " --prefault ",
                           " --local=",
                           " --copy-window=",
                           " --bpf=",
                           " --capture=",
                           " --output=",
                           " --decap=",
                           " --prefilter=",
                           " --syslog ",
                           " --no-seccomp ",
                           " --no-socket ",
                           " --failing-ratio=",
                           " --degraded-ratio=",
                           " --failing-run=",
                           " --alert-min-attempts=",
                           " --metrics-listen=",
                           " --metrics-services=",
                           " --metrics-exemplars ",
                           " --explain ",
                           " --web ",
                           " --report=",
                           " --redact ",
                           " --only=",
                           " --color=",
                           " --duration=",
                           " --count=",
                           " --netns=",
                           " --config=",
                           " --reload ",
                           "[NAME]:DIR@ADDR:PORT"}) {
    EXPECT_THAT(help, HasSubstr(name));
  }
}

TEST(Options, the_examples_of_the_help_are_accepted) {
  std::istringstream lines(parse({"-h"}).print_and_exit.value());
  int examples = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  tcpeek ")) continue;
    ++examples;
    std::istringstream words(line);
    std::vector<std::string> given;
    for (std::string word; words >> word;) given.push_back(word);
    Arguments arguments;
    for (const std::string& word : given) arguments.push_back(word.c_str());
    arguments.erase(arguments.begin());  // the program itself
    EXPECT_EQ(message_of(arguments), "accepted") << line;
  }
  EXPECT_EQ(examples, 4);
}

}  // namespace
}  // namespace tcpeek::engine
