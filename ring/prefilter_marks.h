// What the prefilter remembers: an array of marks in the kernel, and the instructions that write and read them.
//
// At a keyed hash of a flow, the same both ways, is when its last SYN or SYN/ACK was seen. A mark has no name on
// it. So flows that share one make each other's ACKs pass, which costs a copy; but none is ever displaced,
// whatever a flood does.
//
// When more are made in an epoch than is worth while, a mark for all flows is made instead, and for the rest of
// the epoch no other: a write to a mark that is in no cache takes longer than all else that the program does
// (150 ns of 260 here), while a flood makes ACKs pass in any case.
//
// Thread contract: MarkCode is used by one thread. In the kernel several processors write without a lock: a count
// may miss some, but a mark is one store, and always of the time that is now.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ring/ebpf_code.h"

namespace tcpeek::ring {

struct Marks {
  using Mark = std::uint16_t;  // the epoch, modulo 2^16; 0 for none

  static constexpr std::size_t kCount = std::size_t{1} << 21;
  static constexpr std::size_t kBytes = kCount * sizeof(Mark);
  // An epoch is 2^30 ns.
  static constexpr unsigned kEpochBits = 30;

  // The mark of all flows, read for every ACK. Not in its cache line: how many marks were made, and in which epoch.
  static constexpr std::uint32_t kAll = 0;
  static constexpr std::uint32_t kMadeIn = 32;
  static constexpr std::uint32_t kMade = 34;  // 32 bits
  static constexpr std::uint32_t kFirstFlow = 64;

  // From this many marks an epoch on, a third of all flows would share one within a minute.
  static constexpr std::uint32_t kMostEachEpoch = std::uint32_t{1} << 15;

  [[nodiscard]] static constexpr std::uint32_t index_of(std::uint32_t hash) noexcept {
    return static_cast<std::uint32_t>(std::uint64_t{hash} * (kCount - kFirstFlow) >> 32) +
           kFirstFlow;
  }
  // In whole epochs, at least as long as `lifetime` wherever in its epoch a mark was made.
  [[nodiscard]] static constexpr std::uint32_t epochs_of(
      std::chrono::nanoseconds lifetime) noexcept {
    return static_cast<std::uint32_t>(lifetime.count() >> kEpochBits) + 2;
  }
};

// Throughout: r6 is kept, r0 to r5 are lost; a segment's flags are in r8, the address of its flow's mark in r7.
class MarkCode {
 public:
  using Label = EbpfCode::Label;

  // `marks` is the descriptor of an array map with one value of Marks::kBytes; what is to be copied jumps to `copy`.
  MarkCode(EbpfCode& code, int marks, std::chrono::seconds lifetime, Label copy)
      : code_(code), marks_(marks), epochs_(Marks::epochs_of(lifetime)), copy_(copy) {}

  // Copies an ACK that passes whatever its flow, and a SYN or SYN/ACK that needs no mark of its own. Loses r7.
  void copy_where_all_pass();
  void find_of_hash_in_r3();
  void find_of_all();
  // Makes or renews the mark, and copies.
  void write();
  // Copies if the mark is young, else rejects.
  void judge_ack();

 private:
  void epoch_to_r0();
  void count();
  void copy_if_young();

  EbpfCode& code_;
  const int marks_;
  const std::uint32_t epochs_;
  const Label copy_;
};

}  // namespace tcpeek::ring
