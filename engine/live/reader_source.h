// One interface as a reader sees it: the socket with its ring, how far it has been read, and what was
// counted there since start, also across the sockets that replaced one another when the interface
// was deleted and recreated.
//
// Thread contract: offer() and collect() on the reactor's thread, the rest on the reader's.
// Invariant: a socket is exchanged only when all that it captured has been read.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/base/handover.h"
#include "engine/live/ring_cursor.h"
#include "flowtable/decode.h"
#include "ring/packet_socket.h"

namespace tcpeek::engine {

struct FramedSocket {
  ring::PacketSocket socket;
  flowtable::LinkFraming framing = flowtable::LinkFraming::ethernet;
};

class ReaderSource {
 public:
  explicit ReaderSource(FramedSocket first)
      : source_(std::make_unique<FramedSocket>(std::move(first))) {}

  // A socket to continue with; the one in use can then be collected. Returns one that was offered before
  // and not taken, if any.
  std::unique_ptr<FramedSocket> offer(FramedSocket next) {
    return source_.offer(std::make_unique<FramedSocket>(std::move(next)));
  }
  [[nodiscard]] std::unique_ptr<FramedSocket> collect() { return source_.collect(); }
  // Gives all of its sockets away, at the end, when nobody offers or collects any more.
  template <class Take>
  void release(Take&& take) noexcept {
    if (auto offered = source_.withdraw()) take(std::move(offered->socket));
    if (auto replaced = source_.collect()) take(std::move(replaced->socket));
    take(std::move(source_.current().socket));
  }

  // Switches to the socket offered, if there is one and nothing is left to read of the old one.
  void go_over() noexcept {
    if (source_.waiting()) [[unlikely]]
      exchange();
  }
  // A socket was offered, and the old one is not read to its end yet.
  [[nodiscard]] bool exchanging() const noexcept { return source_.waiting(); }
  // Stops capturing; what was captured can still be read.
  void reject_all() noexcept;

  [[nodiscard]] ring::PacketSocket& socket() noexcept { return source_.current().socket; }
  [[nodiscard]] flowtable::LinkFraming framing() const noexcept {
    return source_.current().framing;
  }
  [[nodiscard]] RingCursor& cursor() noexcept { return cursor_; }
  [[nodiscard]] const RingCursor& cursor() const noexcept { return cursor_; }

  // What the kernel counted, of all sockets so far.
  [[nodiscard]] ring::SocketStatistics statistics() noexcept;
  // Packets that the kernel handed over, readable or not.
  [[nodiscard]] std::uint64_t delivered() const noexcept {
    return cursor_.consumed() + cursor_.unreadable();
  }
  [[nodiscard]] bool drained() noexcept;

 private:
  void exchange() noexcept;

  Handover<FramedSocket> source_;
  RingCursor cursor_;
  ring::SocketStatistics past_;  // of sockets that are gone
  bool rejecting_ = false;
};

}  // namespace tcpeek::engine
