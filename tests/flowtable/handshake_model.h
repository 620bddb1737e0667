// The reference: what SPEC section 1 says of any sequence of segments, written for the eye and not
// for speed.
//
// It shares no rule with the tracker: a std::map keyed by the two ends as they stand on the wire,
// facts about an attempt as plain members instead of phases, 64-bit arithmetic spelled out, time in
// microseconds. It has no sweep: an attempt is brought up to date when a segment concerns it, or by
// bring_up_to_date(). Whatever the tracker's sweep does, it must come to the same.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "flowtable/ignored.h"
#include "tests/support/segments.h"
#include "tests/support/told.h"

namespace tcpeek::flowtable::test {

struct ModelConfig {
  std::int64_t timeout_us = 60'000'000;
  std::int64_t remember_us = 60'000'000;
  std::int64_t copy_window_us = 2000;
};

class HandshakeModel {
 public:
  explicit HandshakeModel(const ModelConfig& config) : config_(config) {}

  void on_packet(const Packet& packet);
  void bring_up_to_date(std::int64_t now_us);
  void note_loss(std::int64_t until_us);

  // The observer's calls about this pair of ends since the last call.
  [[nodiscard]] std::vector<Told> take(const Pair& pair);

  [[nodiscard]] std::int64_t pending() const;
  [[nodiscard]] std::int64_t remembered() const;

  std::int64_t used = 0;
  std::int64_t syn_copies = 0;
  std::int64_t synack_copies = 0;
  std::int64_t late_syns = 0;
  std::map<Ignored, std::int64_t> ignored;

 private:
  struct Model {
    Endpoint initiator;
    Endpoint responder;
    std::int64_t isn = 0;
    std::int64_t syn_data = 0;
    std::int64_t first_syn_us = 0;
    std::int64_t latest_us = 0;  // of the handshake segments
    std::int64_t last_syn_us = 0;
    std::uint32_t syn_interface = 0;
    std::int64_t dup_syns = 0;

    std::optional<std::int64_t> first_responder_isn;
    std::optional<std::int64_t> latest_responder_isn;
    bool synack_seen = false;             // the responder acknowledged the initiator's SYN
    bool crossed = false;                 // simultaneous open
    bool responder_acknowledged = false;  // ... and the initiator acknowledged the responder's
    std::int64_t last_answer_us = 0;      // last segment that moved it and was no SYN of it
    std::uint32_t synack_interface = 0;
    std::int64_t dup_synacks = 0;

    std::optional<Cause> cause;
    bool half_seen = false;
    std::int64_t forget_at_tick = 0;
  };

  void pending_syn(Model& m, const Packet& p, bool from_initiator);
  void pending_synack(Model& m, const Packet& p, bool from_initiator);
  void crossing_synack(Model& m, const Packet& p);
  void pending_ack(Model& m, const Packet& p, bool from_initiator);
  void initiator_ack(Model& m, const Packet& p);
  void responder_ack(Model& m, const Packet& p);
  void pending_rst(Model& m, const Packet& p, bool from_initiator);
  void pending_unreachable(Model& m, const Packet& p, bool from_initiator);
  void after_outcome(Model& m, const Packet& p, bool from_initiator);

  void open(const Packet& p);
  void touch(Model& m, const Packet& p);
  void repeat_syn(Model& m, const Packet& p);
  void repeat_synack(Model& m, const Packet& p);
  void end(Model& m, Cause cause, std::int64_t at_us, bool late_proof = false);
  void time_out(Model& m, std::int64_t at_us);
  void ignore(Ignored reason) { ++ignored[reason]; }
  void tell(const Told& told);
  [[nodiscard]] bool is_copy(std::int64_t now_us, std::int64_t before_us) const;
  [[nodiscard]] std::int64_t due_us(const Model& m) const;
  [[nodiscard]] static std::int64_t clamped(const Model& m, const Packet& p);
  [[nodiscard]] static Told about(const Model& m, Told::What what);

  ModelConfig config_;
  std::optional<std::int64_t> loss_until_us_;
  std::map<Pair, Model> attempts_;
  std::map<Pair, std::vector<Told>> told_;
};

}  // namespace tcpeek::flowtable::test
