// A start that fails half-way ends the program, with a message and nothing left waiting.
#include "engine/live_run.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/engine/base/text_file.h"
#include "tests/engine/process/child.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::engine {
namespace {

// Runs the program in a child until it ends; what it threw.
std::string outcome_of(std::vector<const char*> arguments) {
  std::array<char, 32> folder{"/tmp/tcpeek-test-XXXXXX"};
  if (::mkdtemp(folder.data()) == nullptr) ring::throw_errno("mkdtemp");
  const std::string socket = std::string(folder.data()) + "/tcpeek.sock";
  arguments.insert(arguments.end(), {"-q", "-B", "1", "-U", socket.c_str()});
  std::string told = test::in_child(
      [&]() -> std::string {
        const Options options = parse_command_line(arguments).options;
        const test::TextFile error;
        LineWriter to_error(error.descriptor());
        Log log(to_error, LOG_ERR, false);
        LiveRun(options, to_error, to_error, log).run();
        return "ended";
      },
      120);
  if (std::filesystem::exists(socket)) told += ", and left its socket";
  std::filesystem::remove_all(folder.data());
  return told;
}

class LiveRunLiveTest : public tcpeek::test::LiveTest {};

TEST_F(LiveRunLiveTest, AReaderThatCannotStartEndsThoseThatDid) {
  const std::string told = outcome_of({"-i", "tp0", "--cpus", "0,1,1023"});
  EXPECT_EQ(told.find("signal"), std::string::npos) << told << ": it hangs until the alarm";
  EXPECT_NE(told.find("CPU"), std::string::npos) << told;
  EXPECT_EQ(told.find("left its socket"), std::string::npos) << told;
}

TEST_F(LiveRunLiveTest, AnInterfaceThatIsGoneIsNamed) {
  const std::string told = outcome_of({"-i", "tp9"});
  EXPECT_EQ(told,
            "threw: cannot capture on tp9: there is no such interface; choose with -i from: any, "
            "lo, tp1, tp0");
}

}  // namespace
}  // namespace tcpeek::engine
