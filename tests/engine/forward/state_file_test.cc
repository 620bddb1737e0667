// What is written is read again; what is damaged is said to be; two do not share a file.
#include "engine/forward/state_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <system_error>

namespace tcpeek::forward {
namespace {

class StateFileTest : public ::testing::Test {
 protected:
  StateFileTest() {
    std::string pattern = "/tmp/tcpeek-state-XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  ~StateFileTest() override { std::filesystem::remove_all(folder); }
  void put(const std::string& text) const { std::ofstream(path()) << text; }
  [[nodiscard]] std::string path() const { return folder + "/state"; }

  std::string folder;
  const State state{
      "web\"1", "TCPEEK", 1'700'000'000'123'456'789, {{"0123456789abcdef", 57}, 1234}};
};

TEST_F(StateFileTest, ThereAndBack) {
  const StateFile file(path());
  State found;
  EXPECT_EQ(file.read(found), StateFile::Found::nothing);
  file.write(state);
  EXPECT_EQ(file.read(found), StateFile::Found::state);
  EXPECT_EQ(found, state);
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(StateFileTest, DamageIsSaid) {
  const StateFile file(path());
  const std::string whole = to_text(state);
  State found;
  for (const std::string& bad :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("{}"), std::string("[]"),
        whole + whole, std::string(5000, ' ') + whole, std::string(R"({"version":2})")}) {
    put(bad);
    EXPECT_EQ(file.read(found), StateFile::Found::damage) << bad;
  }
}

TEST_F(StateFileTest, OneAtATime) {
  const StateFile file(path());
  EXPECT_THROW(StateFile second(path()), std::system_error);
}

TEST_F(StateFileTest, NoFolder) {
  EXPECT_THROW(StateFile(folder + "/none/state"), std::system_error);
}

}  // namespace
}  // namespace tcpeek::forward
