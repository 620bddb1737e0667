// The reference: what tcpeek(8) says under OUTCOMES of any sequence of segments, written for the eye and not
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
  std::vector<IpAddress> own;  // addresses of this host, at interfaces that are captured
};

class HandshakeModel {
 public:
  explicit HandshakeModel(const ModelConfig& config) : config_(config) {}

  void on_packet(const Packet& packet);
  void bring_up_to_date(std::int64_t now_us);
  void note_loss(std::int64_t until_us);
  void finish(std::int64_t now_us);

  // The observer's calls about this pair of ends since the last call.
  [[nodiscard]] std::vector<Told> take(const Pair& pair);

  [[nodiscard]] std::int64_t pending() const;
  [[nodiscard]] std::int64_t remembered() const;

  std::int64_t used = 0;
  std::int64_t syn_copies = 0;
  std::int64_t synack_copies = 0;
  std::int64_t late_syns = 0;
  std::int64_t stray_syns = 0;
  std::map<Ignored, std::int64_t> ignored;

 private:
  struct Ending {
    Cause cause = Cause::none;
    std::int64_t at_us = 0;
    bool half_seen = false;
  };

  struct Model {
    Endpoint initiator;
    Endpoint responder;
    std::int64_t isn = 0;
    std::int64_t syn_data = 0;
    std::int64_t first_syn_us = 0;
    std::int64_t last_syn_us = 0;
    std::uint8_t syn_print = 0;
    bool ecn_at_first = false;  // and, if it was repeated: before any answer, each time without
    bool fast_open_at_first = false;
    std::uint32_t syn_interface = 0;
    std::int64_t dup_syns = 0;
    bool repeated_since_answer = false;

    // Of a SYN of the responder, which nobody has vouched for.
    std::optional<std::int64_t> crossing_isn;
    std::int64_t crossing_data = 0;
    Packet crossing;                     // that SYN
    bool crossing_acknowledged = false;  // by the initiator

    // Of SYN/ACKs that acknowledge the initiator's SYN.
    std::optional<std::int64_t> first_responder_isn;
    std::optional<std::int64_t> latest_responder_isn;  // if it differs
    std::int64_t answer_data = 0;
    bool took_syn_data = false;
    std::int64_t last_answer_us = 0;  // last segment that moved it and was no SYN of it
    std::uint8_t synack_print = 0;
    std::uint32_t synack_interface = 0;
    std::int64_t dup_synacks = 0;

    int misfits = 0;
    std::optional<std::int64_t> error_us;

    std::optional<Cause> cause;
    bool repeated_since_outcome = false;
    std::int64_t repeated_us = 0;  // ... the last time, copies aside
    std::int64_t forget_at_tick = 0;
  };

  // A pending attempt, and the SYN that may begin the next; or one with its outcome.
  struct Entry {
    Model attempt;
    std::optional<Model> candidate;
    std::optional<Ending> candidates_end;  // by a RST, or an ACK to a SYN/ACK that was not captured
  };

  void packet_of(Entry& e, const Packet& p);
  void up_to_date(Entry& e, std::int64_t now_us);
  [[nodiscard]] bool about_candidate(Entry& e, const Packet& p);
  [[nodiscard]] bool ends_candidate(Entry& e, const Packet& p);
  void new_candidate(Entry& e, const Packet& p);
  void next_turn(Entry& e);

  void pending_syn(Entry& e, const Packet& p, bool from_initiator);
  void pending_synack(Entry& e, const Packet& p, bool from_initiator);
  void turn_round(Entry& e, const Packet& synack);
  void initiators_synack(Entry& e, const Packet& p);
  void pending_ack(Entry& e, const Packet& p, bool from_initiator);
  void initiator_ack(Entry& e, const Packet& p);
  void responder_ack(Entry& e, const Packet& p);
  void pending_rst(Entry& e, const Packet& p, bool from_initiator);
  void pending_error(Entry& e, const Packet& p, bool from_initiator);
  void after_outcome(Entry& e, const Packet& p, bool from_initiator);
  void syn_after_outcome(Entry& e, const Packet& p, bool from_initiator);
  void late_syn(Model& m, const Packet& p);
  void late_synack(Entry& e, const Packet& p);

  void open(const Packet& p);
  void apply_early(const Packet& syn);
  void repeat_syn(Model& m, const Packet& p);
  void repeat_synack(Model& m, const Packet& p);
  void tell_if_first_repetition(const Model& m, std::int64_t repetitions_before);
  void misfit(Model& m, const Packet& p, Ignored reason);
  void end(Entry& e, Cause cause, std::int64_t at_us, bool late_proof = false,
           bool half_seen = false);
  void time_out(Entry& e, std::int64_t at_us);
  void supersede(Entry& e, std::int64_t at_us);
  void ignore(Ignored reason, const Packet& p);
  void tell(const Told& told);

  [[nodiscard]] static Model begun(const Packet& syn);
  [[nodiscard]] bool rst_decides(const Model& m, const Packet& p, Cause& cause) const;
  [[nodiscard]] bool is_copy(std::int64_t now_us, std::int64_t before_us) const;
  [[nodiscard]] std::int64_t due_us(const Model& m) const;
  [[nodiscard]] bool ack_decides(Entry e, const Packet& ack) const;
  [[nodiscard]] bool is_own(const Endpoint& end) const;
  [[nodiscard]] bool would_have_been_seen(const Model& m, std::int64_t now_us) const;
  [[nodiscard]] static Told about(const Model& m, Told::What what);

  ModelConfig config_;
  std::optional<std::int64_t> loss_until_us_;
  std::map<Pair, Entry> attempts_;
  std::map<IpAddress, std::int64_t> own_synack_us_;  // the latest of each address
  std::map<std::pair<Pair, std::uint32_t>, Packet> early_;
  std::map<Pair, std::vector<Told>> told_;
};

}  // namespace tcpeek::flowtable::test
