#include "ring/prefilter_marks.h"

#include <netinet/tcp.h>

namespace tcpeek::ring {
namespace {

constexpr std::int16_t bytes_to(std::uint32_t mark) noexcept {
  return static_cast<std::int16_t>(mark * sizeof(Marks::Mark));
}

}  // namespace

// A mark for all that was made earlier in this very epoch is as good as one that would be made now.
void MarkCode::copy_where_all_pass() {
  const Label go_on = code_.new_label();
  const Label syn = code_.new_label();
  find_of_all();
  code_.load(Width::half, Reg::r7, Reg::r7, 0);
  code_.jump_if(Test::eq, Reg::r7, 0, go_on);
  epoch_to_r0();
  code_.jump_if(Test::set, Reg::r8, TH_SYN, syn);
  copy_if_young();
  code_.go_to(go_on);
  code_.place(syn);
  code_.jump_if(Test::eq, Reg::r0, Reg::r7, copy_);
  code_.place(go_on);
}

// Without branches, as the verifier, if it has to mind speculation (without CAP_PERFMON), wants the same bounds on
// every path to the addition.
void MarkCode::find_of_hash_in_r3() {
  code_.alu(Alu::mul, Reg::r3, static_cast<std::int32_t>(Marks::kCount - Marks::kFirstFlow));
  code_.alu(Alu::rsh, Reg::r3, 32);
  code_.alu(Alu::add, Reg::r3, static_cast<std::int32_t>(Marks::kFirstFlow));
  code_.alu(Alu::lsh, Reg::r3, 1);
  code_.map_value(Reg::r7, marks_);
  code_.alu(Alu::add, Reg::r7, Reg::r3);
}

void MarkCode::find_of_all() {
  static_assert(Marks::kAll == 0);
  code_.map_value(Reg::r7, marks_);
}

// The epoch before, where it would read as none.
void MarkCode::write() {
  const Label known = code_.new_label();
  epoch_to_r0();
  code_.jump_if(Test::ne, Reg::r0, 0, known);
  code_.alu32(Alu::mov, Reg::r0, 0xffff);
  code_.place(known);
  code_.store(Width::half, Reg::r7, 0, Reg::r0);
  count();
  code_.go_to(copy_);
}

// The epoch is read before the count and written after it: who finds this epoch finds no count of another, whatever
// other processors do meanwhile.
void MarkCode::count() {
  const Label this_epoch = code_.new_label();
  code_.map_value(Reg::r2, marks_);
  code_.load(Width::half, Reg::r3, Reg::r2, bytes_to(Marks::kMadeIn));
  code_.load(Width::word, Reg::r1, Reg::r2, bytes_to(Marks::kMade));
  code_.jump_if(Test::eq, Reg::r3, Reg::r0, this_epoch);
  code_.alu32(Alu::mov, Reg::r1, 0);
  code_.place(this_epoch);
  code_.alu32(Alu::add, Reg::r1, 1);
  code_.store(Width::word, Reg::r2, bytes_to(Marks::kMade), Reg::r1);
  code_.store(Width::half, Reg::r2, bytes_to(Marks::kMadeIn), Reg::r0);
  code_.jump_if(Test::lt, Reg::r1, Marks::kMostEachEpoch, copy_);
  code_.store(Width::half, Reg::r2, bytes_to(Marks::kAll), Reg::r0);
}

// Most flows have none, as their SYNs are long ago or were never seen: then without the time.
void MarkCode::judge_ack() {
  const Label any = code_.new_label();
  code_.load(Width::half, Reg::r7, Reg::r7, 0);
  code_.jump_if(Test::ne, Reg::r7, 0, any);
  code_.exit_with(0);
  code_.place(any);
  epoch_to_r0();
  copy_if_young();
  code_.exit_with(0);
}

void MarkCode::epoch_to_r0() {
  code_.call(Helper::ktime_get_coarse_ns);
  code_.alu(Alu::rsh, Reg::r0, Marks::kEpochBits);
  code_.alu32(Alu::and_, Reg::r0, 0xffff);
}

// The epoch of a mark is in r7, that of now in r0.
void MarkCode::copy_if_young() {
  const Label old = code_.new_label();
  code_.alu32(Alu::mov, Reg::r1, Reg::r0);
  code_.alu32(Alu::sub, Reg::r1, Reg::r7);
  code_.alu32(Alu::and_, Reg::r1, 0xffff);
  code_.jump_if(Test::gt, Reg::r1, epochs_, old);
  code_.go_to(copy_);
  code_.place(old);
}

}  // namespace tcpeek::ring
