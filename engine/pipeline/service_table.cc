#include "engine/pipeline/service_table.h"

#include <algorithm>
#include <bit>

namespace tcpeek::engine {
namespace {

using flowtable::Cause;

// Credit: how many rounds of the hand a row outlives. A success earns one.
constexpr unsigned kFailureCredit = 2;
constexpr unsigned kRepeatedFailureCredit = 8;

std::int64_t ns(flowtable::PacketTime time) noexcept {
  return time.time_since_epoch().count();
}

}  // namespace

std::uint64_t* failure_count(FailureCounts& counts, Cause cause) noexcept {
  switch (cause) {
    case Cause::none:
    case Cause::evicted:
    case Cause::pending:
      return nullptr;
    case Cause::refused:
      return &counts.refused;
    case Cause::reset:
      return &counts.reset;
    case Cause::aborted:
      return &counts.aborted;
    case Cause::half_open:
      return &counts.half_open;
    case Cause::probe:
      return &counts.probe;
    case Cause::no_answer:
      return &counts.no_answer;
    case Cause::no_ack:
      return &counts.no_ack;
    case Cause::superseded:
      return &counts.superseded;
    case Cause::unreachable:
      return &counts.unreachable;
  }
  __builtin_unreachable();
}

// Whatever the service does: a scan, a probe, a client that changed its mind. It is counted, but is no sign
// that the service fails.
bool is_by_initiator(Cause cause) noexcept {
  return cause == Cause::aborted || cause == Cause::half_open || cause == Cause::probe;
}

ServiceTable::ServiceTable(const AddressHash& hash, std::size_t rows)
    : hash_(hash),
      rows_(std::clamp<std::size_t>(rows, 2, kMostServices),
            flowtable::PageArray<Service>::Untouched()),
      index_(std::bit_ceil(rows_.size() * 2), flowtable::PageArray<std::uint32_t>::Untouched()),
      credit_(rows_.size(), flowtable::PageArray<std::uint8_t>::Untouched()),
      mask_(index_.size() - 1),
      shift_(64U - static_cast<unsigned>(std::countr_zero(index_.size()))) {}

void ServiceTable::failed(Number number, Cause cause, flowtable::PacketTime at) noexcept {
  Service& row = rows_[number];
  --row.pending;
  if (std::uint64_t* const count = failure_count(row.failures, cause); count != nullptr) ++*count;
  if (is_by_initiator(cause)) return;
  if (row.window != window_) roll(row);
  ++row.window_failures;
  // Timeouts are found by sweeps, and ICMP errors waited on: what is told first after a success may have been
  // before it.
  if (row.failed_in_a_row == 0 || row.failing_since <= row.last_success) row.failing_since = ns(at);
  row.failed_in_a_row += row.failed_in_a_row != ~std::uint32_t{0};
  row.last_failure = std::max(row.last_failure, ns(at));
  earn(number, row.failed_in_a_row > 1 ? kRepeatedFailureCredit : kFailureCredit, kMostCredit);
}

// Only while something is to be learned of it.
void ServiceTable::watch(Service& row) noexcept {
  row.watched = row.retrying != 0 || row.ecn_died_in_a_row != 0 || row.fast_open_died_in_a_row != 0;
}

void ServiceTable::succeeded_watched(Number number,
                                     const flowtable::Handshake& handshake) noexcept {
  Service& row = rows_[number];
  row.answered_meanwhile += row.retrying != 0;
  // What it asked for got through.
  if (handshake.ecn_at_first) row.ecn_died_in_a_row = 0;
  if (handshake.fast_open_at_first) row.fast_open_died_in_a_row = 0;
  watch(row);
}

void ServiceTable::retrying(Number number) noexcept {
  ++rows_[number].retrying;
  rows_[number].watched = true;
}

void ServiceTable::repeated(Number number, std::uint8_t syns, std::uint8_t synacks) noexcept {
  Service& row = rows_[number];
  row.dup_syns += syns;
  row.dup_synacks += synacks;
  --row.retrying;
  row.retrying_syns -= repeated_while_pending(syns);
  row.retrying_synacks -= repeated_while_pending(synacks);
  watch(row);
}

// Where plain SYNs die as well, or the repeated one did, it is not for what the first one asked. A SYN that
// asks for both is taken for one that asks for Fast Open, which more devices do not know.
Pattern ServiceTable::succeeded_by_repetition(Number number,
                                              const flowtable::Handshake& handshake) noexcept {
  Service& row = rows_[number];
  const bool first_died = handshake.dup_syns != 0;
  const auto extended = [&](bool asked, std::uint8_t in_a_row) {
    if (!first_died) return asked ? std::uint8_t{0} : in_a_row;
    if (!asked || handshake.dup_syns > 1) return std::uint8_t{0};
    return static_cast<std::uint8_t>(std::min(in_a_row + 1U, kBlackHole));
  };
  const bool fast_open = handshake.fast_open_at_first;
  row.fast_open_died_in_a_row = extended(fast_open, row.fast_open_died_in_a_row);
  row.ecn_died_in_a_row = extended(handshake.ecn_at_first && !fast_open, row.ecn_died_in_a_row);
  watch(row);
  if (!first_died) return Pattern::none;
  if (row.fast_open_died_in_a_row == kBlackHole) {
    ++row.fast_open_black_holes;
    return Pattern::fast_open_black_hole;
  }
  if (row.ecn_died_in_a_row < kBlackHole) return Pattern::none;
  ++row.ecn_black_holes;
  return Pattern::ecn_black_hole;
}

void ServiceTable::earn(Number number, unsigned credit, unsigned most) noexcept {
  const unsigned has = credit_[number];
  if (has < most) credit_[number] = static_cast<std::uint8_t>(std::min(has + credit, most));
}

void ServiceTable::roll(Service& row) noexcept {
  const bool next = row.window + 1 == window_;
  row.former_attempts = next ? row.window_attempts : 0;
  row.former_failures = next ? row.window_failures : 0;
  row.window_attempts = 0;
  row.window_failures = 0;
  row.window = window_;
}

ServiceTable::Recent ServiceTable::recent(const Service& row) const noexcept {
  const std::uint32_t ago = window_ - row.window;
  if (ago == 1) return {row.window_attempts, row.window_failures};
  if (ago != 0) return {};
  return {std::uint64_t{row.window_attempts} + row.former_attempts,
          std::uint64_t{row.window_failures} + row.former_failures};
}

std::optional<ServiceTable::Number> ServiceTable::find(const ServiceKey& key) const noexcept {
  for (std::size_t i = place_of(hash_of(key)); index_[i] != 0; i = (i + 1) & mask_) {
    const auto number = static_cast<Number>(index_[i]);
    if (rows_[number].key == key) return number;
  }
  return std::nullopt;
}

ServiceTable::Number ServiceTable::make(const ServiceKey& key, std::uint64_t hash,
                                        flowtable::PacketTime at) noexcept {
  const Number number = free_row();
  if (number == kOthers) return kOthers;
  Service& row = rows_[number];
  row = Service();
  row.key = key;
  row.counting_since = ns(at);
  row.window = window_;
  credit_[number] = 0;
  std::size_t i = place_of(hash);
  while (index_[i] != 0) i = (i + 1) & mask_;
  index_[i] = word_of(hash, number);
  return number;
}

// A row never used, or one that is given up; row 0 if there is none.
ServiceTable::Number ServiceTable::free_row() noexcept {
  if (end_ < rows_.size()) return static_cast<Number>(end_++);
  for (unsigned tries = 0; tries < kMostTries; ++tries) {
    const auto number = static_cast<Number>(hand_);
    hand_ = hand_ + 1 < rows_.size() ? hand_ + 1 : 1;
    if (credit_[number] != 0) {
      --credit_[number];
    } else if (rows_[number].pending == 0) {
      give_up(number);
      return number;
    }
  }
  return kOthers;
}

// Its counts go to the others.
void ServiceTable::give_up(Number number) noexcept {
  ++displaced_;
  Service& row = rows_[number];
  Service& others = rows_[kOthers];
  for (Service* each : {&row, &others}) {
    if (each->window != window_) roll(*each);
  }
  others.success += row.success;
  others.last_success = std::max(others.last_success, row.last_success);
  others.window_attempts += row.window_attempts;
  others.window_failures += row.window_failures;
  others.former_attempts += row.former_attempts;
  others.former_failures += row.former_failures;
  others.failures += row.failures;
  others.evicted += row.evicted;
  others.dup_syns += row.dup_syns;
  others.dup_synacks += row.dup_synacks;
  others.last_failure = std::max(others.last_failure, row.last_failure);
  others.legs_left_out += row.legs_left_out;
  others.rst_suspect += row.rst_suspect;
  others.answered_meanwhile += row.answered_meanwhile;
  others.stuck_tuples += row.stuck_tuples;
  others.ecn_black_holes += row.ecn_black_holes;
  others.fast_open_black_holes += row.fast_open_black_holes;
  // What a scan leaves has none.
  if (row.success != 0) {
    others.syn_to_synack += row.syn_to_synack;
    others.synack_to_ack += row.synack_to_ack;
  }
  remove(number);
}

// From the index; what would not be found any more behind the gap moves into it.
void ServiceTable::remove(Number number) noexcept {
  std::size_t gap = place_of(hash_of(rows_[number].key));
  while (static_cast<Number>(index_[gap]) != number || index_[gap] == 0) gap = (gap + 1) & mask_;
  for (std::size_t i = (gap + 1) & mask_; index_[i] != 0; i = (i + 1) & mask_) {
    const std::size_t place = place_of(hash_of(rows_[static_cast<Number>(index_[i])].key));
    if (((i - place) & mask_) < ((i - gap) & mask_)) continue;
    index_[gap] = index_[i];
    gap = i;
  }
  index_[gap] = 0;
}

std::size_t ServiceTable::memory_bytes() const noexcept {
  return rows_.size() * (sizeof(Service) + 1) + index_.size() * sizeof(std::uint32_t);
}

bool ServiceTable::consistent() const noexcept {
  std::size_t indexed = 0;
  for (std::size_t i = 0; i < index_.size(); ++i) indexed += index_[i] != 0;
  if (indexed != end_ - 1) return false;
  for (std::size_t number = 1; number < end_; ++number) {
    if (find(rows_[number].key) != static_cast<Number>(number)) return false;
  }
  return true;
}

}  // namespace tcpeek::engine
