// One reader of a replay: what Reader is to a ring, this is to a block of a capture file. Every reader
// sees every packet and tracks those that it owns; the first one counts packets without a segment.
//
// Thread contract: one thread at a time, ensured by ReplayReaders.
// Invariant: over all readers, packets taken = used + ignored (engine/pipeline/reader_report.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/base/handover.h"
#include "engine/pipeline/outcome_counter.h"
#include "engine/pipeline/packet_timeline.h"
#include "engine/pipeline/pending_attempts.h"
#include "engine/pipeline/pipeline.h"
#include "engine/pipeline/reader_report.h"
#include "engine/pipeline/top_exchange.h"
#include "ring/offline_filter.h"
#include "ring/savefile.h"
#include "ring/steering.h"

namespace tcpeek::engine {

// An interface of a capture file as the readers need it.
struct ReplayInterface {
  std::optional<flowtable::LinkFraming> link;  // nullopt: its link type is not read
  const ring::OfflineFilter* filter = nullptr;
  std::uint32_t number = 0;  // what segments carry
};

struct ReplayConfig {
  unsigned id = 0;
  unsigned readers = 1;
  flowtable::TrackerConfig tracker;
  flowtable::DecodeRules decoding{};
  ring::SteeringKey steering;
  bool icmp = false;
  bool print_outcomes = false;
};

class ReplayReader {
 public:
  ReplayReader(const ReplayConfig& config, const FilterRegistry& filters, Locality locality);

  void take(std::span<const ring::SavedPacket> packets,
            std::span<const ReplayInterface> interfaces) noexcept;
  // Sweeps the next groups of the table, round-robin.
  void sweep(flowtable::PacketTime now, std::size_t groups) noexcept {
    pipeline_.tracker().sweep(now, groups);
  }

  // The file ends: decides what waits for more, and shows what is pending still, in the next groups.
  void finish(flowtable::PacketTime now, std::size_t groups) noexcept {
    pipeline_.tracker().finish(now, groups, [&](const flowtable::Attempt& attempt) {
      counter_.show_pending(attempt, now);
      if (counter_.counts(attempt)) pending_.add(attempt);
    });
  }

  [[nodiscard]] const flowtable::AttemptTable& table() const noexcept {
    return pipeline_.tracker().table();
  }
  [[nodiscard]] OutcomeQueue& outcomes() noexcept { return outcomes_; }
  [[nodiscard]] ReaderReport report() const;
  // What it knows of services and peers; returns at once with the whole answer.
  [[nodiscard]] const TopReport& answer(const TopQuery& query, flowtable::PacketTime now);
  // Named by finish().
  [[nodiscard]] const PendingAttempts& pending_attempts() const noexcept { return pending_; }

 private:
  void take(const ring::SavedPacket& packet, const ReplayInterface& interface) noexcept;
  [[nodiscard]] bool owns(const flowtable::Segment& segment) const noexcept;
  void ignore(flowtable::Ignored reason) noexcept;

  ReplayConfig config_;
  Handover<ReaderRules> rules_;
  OutcomeQueue outcomes_;
  PacketTimeline timeline_{{}};  // packet time is the file's
  OutcomeCounter counter_;
  Pipeline pipeline_;
  TopExchange top_;
  PendingAttempts pending_;
  flowtable::IgnoredCounts ignored_;
  std::uint64_t taken_ = 0;  // packets that count as this reader's
};

}  // namespace tcpeek::engine
