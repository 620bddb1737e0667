// The targets hold invariants by the same EXPECT_... as the unit tests, often in the same functions.
// Here a failed one ends the program, so that libFuzzer keeps the input that showed it.

#include <gtest/gtest.h>

#include <cstdlib>

namespace {

class FailuresAbort final : public testing::EmptyTestEventListener {
  // Called after the printer, which has told what failed and where.
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) std::abort();
  }
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
  testing::UnitTest::GetInstance()->listeners().Append(new FailuresAbort);  // takes it over
  return 0;
}
