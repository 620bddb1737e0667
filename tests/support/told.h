// The calls to an observer of the tracker, as plain values that compare and print, and an observer
// that writes it down.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowtable/attempt.h"
#include "flowtable/outcome.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {

// One call to an observer.
struct Told {
  enum class What : std::uint8_t { opened, ended, late_synack, retrying };
  What what = What::opened;
  Endpoint initiator;
  Endpoint responder;
  std::int64_t first_syn_us = 0;
  std::int64_t isn = 0;
  // ended only.
  Cause cause = Cause::none;
  std::int64_t at_us = 0;
  bool half_seen = false;
  bool late_proof = false;
  bool uncertain = false;
  std::int64_t dup_syns = 0;
  std::int64_t dup_synacks = 0;
  bool ecn_at_first = false;
  bool fast_open_at_first = false;

  bool operator==(const Told&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Told& t) {
  constexpr std::array<const char*, 4> kWhat{"opened", "ended", "late_synack", "retrying"};
  out << kWhat[static_cast<std::size_t>(t.what)] << ' ' << text(t.initiator) << " > "
      << text(t.responder) << " isn " << t.isn << " begun " << t.first_syn_us;
  if (t.what != Told::What::ended) return out;
  const std::string_view cause = t.cause == Cause::none ? "success" : word(t.cause);
  return out << ' ' << cause << " at " << t.at_us << " half_seen " << t.half_seen << " late_proof "
             << t.late_proof << " uncertain " << t.uncertain << " dup " << t.dup_syns << '/'
             << t.dup_synacks << " at first " << (t.ecn_at_first ? "ECN " : "")
             << (t.fast_open_at_first ? "Fast Open" : "");
}

inline std::string text(const std::vector<Told>& all) {
  std::ostringstream out;
  for (const Told& t : all) out << "\n    " << t;
  return out.str();
}

inline std::int64_t us_of(PacketTime t) {
  return std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count();
}

inline Told told_about(const Attempt& a, Told::What what) {
  Told t;
  t.what = what;
  t.initiator = a.initiator_end();
  t.responder = a.responder_end();
  t.first_syn_us = us_of(a.first_syn);
  t.isn = a.handshake.isn;
  return t;
}

// Writes down what the tracker tells, by the ends it is about.
struct Recorder {
  std::vector<IpAddress> own;  // this host's addresses
  std::map<Pair, std::vector<Told>> told;
  std::uint64_t opened_count = 0;
  std::uint64_t ended_count = 0;

  void opened(Attempt& a, std::uint16_t&) noexcept {
    ++opened_count;
    const IpAddress responder = a.responder_end().address;
    if (std::find(own.begin(), own.end(), responder) != own.end()) a.set_own_responder();
    add(told_about(a, Told::What::opened));
  }
  void ended(const Attempt& a, const Outcome& e, std::uint16_t) noexcept {
    ++ended_count;
    Told t = told_about(a, Told::What::ended);
    t.cause = e.cause;
    t.at_us = us_of(e.at);
    t.half_seen = e.half_seen;
    t.late_proof = e.late_proof;
    t.uncertain = e.uncertain;
    t.dup_syns = a.handshake.dup_syns;
    t.dup_synacks = a.handshake.dup_synacks;
    t.ecn_at_first = a.handshake.ecn_at_first;
    t.fast_open_at_first = a.handshake.fast_open_at_first;
    add(t);
  }
  void late_synack(const Attempt& a) noexcept { add(told_about(a, Told::What::late_synack)); }
  void retrying(const Attempt& a, std::uint16_t) noexcept {
    add(told_about(a, Told::What::retrying));
  }
  void answered_again(const Attempt&, std::uint16_t) noexcept {}
  void sent_again(const Attempt&, Event, std::uint16_t) noexcept {}

  std::vector<Told> take(const Pair& pair) {
    const auto it = told.find(pair);
    if (it == told.end()) return {};
    std::vector<Told> all = std::move(it->second);
    told.erase(it);
    return all;
  }

 private:
  void add(const Told& t) { told[pair_of(t.initiator, t.responder)].push_back(t); }
};

}  // namespace tcpeek::flowtable::test
