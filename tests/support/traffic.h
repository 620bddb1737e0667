// Random segment sequences in which everything collides: few ends, few initial sequence numbers
// around the wrap, numbers near the fitting ones, times around the windows and the timeout.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>

#include "flowtable/tracker.h"
#include "tests/flowtable/handshake_model.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {

inline constexpr std::int64_t kJitterUs = 50;  // how far a packet may be out of order

// A random sequence: what the sender of each packet knows is kept per connection, so that most
// packets nearly fit.
class Traffic {
 public:
  explicit Traffic(std::uint64_t seed, std::uint16_t ports = 2) : random_(seed), ports_(ports) {
    constexpr std::array<std::int64_t, 5> kTimeouts{1, 2, 60, 3600, 4000};
    constexpr std::array<std::int64_t, 4> kRemember{0, 1, 60, 130};
    constexpr std::array<std::int64_t, 3> kWindows{0, 500, 2000};
    config.timeout_us = pick(kTimeouts) * 1'000'000;
    config.remember_us = pick(kRemember) * 1'000'000;
    config.copy_window_us = pick(kWindows);
    // Around zero, around the wrap and the middle of the 32-bit ticks, and today.
    constexpr std::array<std::int64_t, 5> kStarts{0, -3600, 4'503'599, 2'251'799, 1'700'000'000};
    now_us_ = pick(kStarts) * 1'000'000 - below(5'000'000);
    if (one_in(4)) config.own = {v4(2, 0).address, v6(1, 0).address};
    sweep_percent = one_in(4) ? 0 : below(30);
  }

  ModelConfig config;
  std::int64_t sweep_percent = 0;

  [[nodiscard]] TrackerConfig tracker_config(std::uint64_t capacity) {
    TrackerConfig c;
    c.capacity = capacity;
    c.timeout = std::chrono::seconds(config.timeout_us / 1'000'000);
    c.remember = std::chrono::seconds(config.remember_us / 1'000'000);
    c.copy_window = std::chrono::microseconds(config.copy_window_us);
    for (std::byte& b : c.secret) b = static_cast<std::byte>(below(256));
    return c;
  }

  Packet next() {
    now_us_ += advance_us();
    if (last_ == nullptr || one_in(3)) last_ = &connection();
    Connection& c = *last_;
    const bool up = below(100) < 55;
    Packet p = c.latest;
    if (p.at_us != 0 && one_in(6)) return c.latest = repeated(p);
    p = Packet{};
    p.source = up ? c.a : c.b;
    p.destination = up ? c.b : c.a;
    p.at_us = now_us_ - (one_in(4) ? below(kJitterUs + 1) : 0);
    p.interface = one_in(6) ? 2 : 1;
    if (one_in(5)) p.payload = static_cast<std::uint16_t>(one_in(2) ? 5 : below(65'536));
    fill(p, up ? c.isn_a : c.isn_b, up ? c.isn_b : c.isn_a, c);
    return c.latest = p;
  }

  // No later packet is before this moment.
  [[nodiscard]] std::int64_t settled_us() const { return now_us_ - kJitterUs; }
  [[nodiscard]] std::int64_t now_us() const { return now_us_; }

  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n));
  }
  bool one_in(std::int64_t n) { return below(n) == 0; }

 private:
  struct Connection {
    Endpoint a;
    Endpoint b;
    std::uint32_t isn_a = 0;
    std::uint32_t isn_b = 0;
    std::uint16_t data = 0;
    Packet latest;
  };

  Packet repeated(Packet p) {
    p.at_us = now_us_;
    if (one_in(4)) p.interface = 3 - p.interface;
    if (one_in(4)) p.print = static_cast<std::uint8_t>(p.print + 1);
    return p;
  }

  template <class T, std::size_t N>
  T pick(const std::array<T, N>& from) {
    return from[static_cast<std::size_t>(below(static_cast<std::int64_t>(N)))];
  }

  Connection& connection() {
    const auto port = [this] { return static_cast<std::uint16_t>(1 + below(ports_)); };
    const bool six = one_in(3);
    const Endpoint a = six ? v6(1, port()) : v4(1, port());
    Endpoint b = six ? v6(2, port()) : v4(2, port());
    if (one_in(20)) b = a;
    Connection& c = connections_[Pair(a, b)];
    if (c.a == Endpoint{}) c = {a, b, isn(), isn(), 0, {}};
    return c;
  }

  std::uint32_t isn() {
    constexpr std::array<std::uint32_t, 8> kIsns{0,          1,          0xffffffff, 0xfffffffe,
                                                 0x7fffffff, 0x80000000, 0x80000001, 0x7ffffffe};
    return pick(kIsns);
  }

  std::uint32_t near(std::uint32_t number, std::uint16_t data) {
    const std::array<std::uint32_t, 13> deltas{0,
                                               2,
                                               5,
                                               6,
                                               data,
                                               data + 1U,
                                               65'536,
                                               65'537U + data,
                                               static_cast<std::uint32_t>(-1),
                                               0x00ffffff,
                                               0x01000000,
                                               0x01000001,
                                               0x80000000};
    return below(10) < 8 ? number : number - 1 + pick(deltas);
  }

  std::int64_t advance_us() {
    const std::int64_t scale = std::min<std::int64_t>(config.timeout_us, 3'600'000'000);
    switch (below(48)) {
      case 0:
        return config.copy_window_us;
      case 1:
        return config.copy_window_us + 1;
      case 2:
        return scale;
      case 3:
        return below(scale);
      case 4:
        return config.remember_us;
      case 5:
        return one_in(4) ? scale + config.remember_us + below(3000) : 0;
      case 6:
      case 7:
      case 8:
        return below(scale / 10);
      case 9:
        return 0;
      case 10:
        return 1'000'000;  // a candidate's patience
      case 11:
        return 3'000'000;  // until an ICMP error is final
      default:
        return below(4000);
    }
  }

  void fill(Packet& p, std::uint32_t& own, std::uint32_t& peers, Connection& c) {
    using namespace tcp_flag;
    const std::int64_t kind = below(100);
    if (kind < 30) {
      if (one_in(8)) own = isn();
      p.flags = syn;
      p.sequence = own;
      c.data = std::max(c.data, p.payload);
      if (one_in(4)) c.data = 0;
    } else if (kind < 55) {
      if (one_in(10)) own = one_in(2) ? isn() : own + 5;
      p.flags = syn | ack;
      p.sequence = one_in(20) ? isn() : own;
      p.acknowledgment = near(peers + 1, c.data);
    } else if (kind < 80) {
      p.flags = one_in(6) ? ack | fin : ack;
      p.sequence = near(own + 1, c.data);
      p.acknowledgment = near(peers + 1, c.data);
    } else if (kind < 88) {
      p.flags = one_in(2) ? rst : rst | ack;
      p.sequence = near(own + 1, c.data);
      p.acknowledgment = near(peers + 1, c.data);
    } else if (kind < 92) {
      p.kind = SegmentKind::unreachable;
      p.sequence = one_in(3) ? isn() : own;
      p.payload = 0;
    } else {
      p.flags = static_cast<std::uint8_t>(below(256));
      p.sequence = one_in(2) ? own : isn();
      p.acknowledgment = near(peers + 1, c.data);
    }
    if (p.kind == SegmentKind::tcp && one_in(10)) {
      p.flags = static_cast<std::uint8_t>(p.flags | (below(8) << 5) | (below(2) << 3));
    }
  }

  std::mt19937_64 random_;
  std::int64_t ports_;
  std::int64_t now_us_ = 0;
  std::map<Pair, Connection> connections_;
  Connection* last_ = nullptr;
};

}  // namespace tcpeek::flowtable::test
