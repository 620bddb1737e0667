// The order in which marks are counted, as several processors do it at once; what they do is shown by
// prefilter_test.cc.
#include "ring/prefilter_marks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tcpeek::ring {
namespace {

constexpr std::uint8_t kLoadHalf = 0x69, kLoadWord = 0x61, kStoreHalf = 0x6b, kStoreWord = 0x63;

class MarksWritten {
 public:
  MarksWritten() {
    EbpfCode code;
    const auto copy = code.new_label();
    MarkCode(code, 0, std::chrono::seconds(60), copy).write();
    code.place(copy);
    code.exit_with(1);
    code_ = code.finish();
  }
  // Where the only instruction of this kind for that mark is.
  [[nodiscard]] std::ptrdiff_t place_of(std::uint8_t kind, std::uint32_t mark) const {
    const auto wanted = [&](const EbpfInstruction& insn) {
      return insn.code == kind && insn.offset == static_cast<int>(mark * sizeof(Marks::Mark));
    };
    EXPECT_EQ(std::ranges::count_if(code_, wanted), 1) << int{kind} << " of " << mark;
    return std::ranges::find_if(code_, wanted) - code_.begin();
  }

 private:
  std::vector<EbpfInstruction> code_;
};

// Otherwise a processor could read a count of the epoch before, and then, as another has begun to count
// anew, take it for one of this epoch.
TEST(PrefilterMarksTest, NoCountIsCarriedIntoTheNextEpoch) {
  const MarksWritten written;
  EXPECT_LT(written.place_of(kLoadHalf, Marks::kMadeIn), written.place_of(kLoadWord, Marks::kMade));
  EXPECT_LT(written.place_of(kStoreWord, Marks::kMade),
            written.place_of(kStoreHalf, Marks::kMadeIn));
}

}  // namespace
}  // namespace tcpeek::ring
