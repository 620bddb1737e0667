// Readers with rings on the veth pair of a live test, and conversations to send past them: what
// comes to 192.0.2.2 or 2001:db8::2 arrives by tp0, what they answer leaves by it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ring/capture_group.h"
#include "ring/capture_program.h"
#include "tests/engine/live/readers_fixture.h"
#include "tests/support/ends.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::engine::test {

using SteeringProgram = std::vector<sock_filter>;

// Everything to the first reader, no matter which one owns it.
inline const SteeringProgram kAllToTheFirst{{BPF_RET | BPF_K, 0, 0, 0}};

// For each reader its socket on each interface.
inline ReadersRig::Sources capture(unsigned readers, const std::vector<std::string>& interfaces,
                                   const SteeringProgram& steering) {
  ReadersRig::Sources sources(readers);
  const auto filter = ring::capture_program(
      {.scope = ring::CaptureScope::handshake, .icmp = true, .narrowed_by = {}},
      ring::Access::link_layer, 0);
  for (const std::string& name : interfaces) {
    auto sockets = ring::open_capture_group(
        {name, tcpeek::test::index_of(name), ring::Access::link_layer}, readers,
        {.geometry = ring::ring_geometry(32),
         .promiscuous = false,
         .filter = filter,
         .steering = steering});
    for (unsigned i = 0; i < readers; ++i) {
      sources[i].push_back({std::move(sockets[i]), flowtable::LinkFraming::ethernet});
    }
  }
  return sources;
}

// One connection to a local port, seen from the wire.
struct Talk {
  Talk(std::uint16_t number, bool v6)
      : client{v6 ? "2001:db8::1" : "192.0.2.1", number},
        server{v6 ? "2001:db8::2" : "192.0.2.2", 80} {}

  [[nodiscard]] auto syn() const { return tcpeek::test::segment(client, server, 0x02).seq(10); }
  [[nodiscard]] auto synack() const {
    return tcpeek::test::segment(server, client, 0x12).seq(20).ack(11);
  }
  [[nodiscard]] auto ack() const {
    return tcpeek::test::segment(client, server, 0x10).seq(11).ack(21);
  }
  [[nodiscard]] auto refusal() const { return tcpeek::test::segment(server, client, 0x14).ack(11); }
  [[nodiscard]] auto unreachable() const {
    return tcpeek::test::icmp_error(server, client, client.address.v6 ? 1 : 3, 1, syn());
  }

  tcpeek::test::End client;
  tcpeek::test::End server;
};

struct Played {
  std::uint64_t successes = 0;
  std::uint64_t refused = 0;
  std::uint64_t unreachable = 0;
  std::uint64_t pending = 0;

  [[nodiscard]] std::uint64_t attempts() const {
    return successes + refused + unreachable + pending;
  }
  [[nodiscard]] std::uint64_t packets() const {
    return 3 * successes + 2 * refused + 2 * unreachable + pending;
  }
};

// Sends conversations of every kind, mixed; `first` numbers them.
inline Played play(const tcpeek::test::FrameSender& outside,
                   const tcpeek::test::FrameSender& inside, std::uint16_t first,
                   std::uint16_t count) {
  Played played;
  for (std::uint16_t i = 0; i < count; ++i) {
    const Talk talk(static_cast<std::uint16_t>(first + i), i % 3 == 0);
    outside.send(talk.syn().build());
    switch (i % 4) {
      case 0:
      case 1:
        inside.send(talk.synack().build());
        outside.send(talk.ack().build());
        ++played.successes;
        break;
      case 2:
        if (i % 8 == 2) {
          inside.send(talk.refusal().build());
          ++played.refused;
        } else {
          inside.send(talk.unreachable().build());
          ++played.unreachable;
        }
        break;
      default:
        ++played.pending;
    }
  }
  return played;
}

}  // namespace tcpeek::engine::test
