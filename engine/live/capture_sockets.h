// Every packet socket of the program: those that capture, and spare ones for interfaces that are
// deleted and recreated.
//
// A packet socket loses its interface when that is deleted; a member of a fanout group can never be bound
// again, and opening another socket takes CAP_NET_RAW, which is dropped after the start. So a few groups
// of spare sockets are opened for each interface at the start. When they are used up, a single socket
// delivers every packet to the first reader, which mails the others theirs: a socket outside any group
// can be bound again without limit.
//
// Thread contract: reactor thread only. Sockets taken belong to the readers until they are returned.
// Errors: std::system_error naming call and interface.
// Source: net/packet/af_packet.c (packet_notifier, packet_do_bind).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/live/reader_source.h"
#include "engine/live/socket_closer.h"
#include "ring/capture_group.h"

namespace tcpeek::engine {

struct CaptureConfig {
  unsigned readers = 1;
  ring::RingGeometry geometry;
  bool promiscuous = false;
  std::vector<sock_filter> steering;
};

// What decides which packets a socket gets.
using TargetFilter = std::variant<std::vector<sock_filter>, ring::LoadedProgram>;

// How many spare sockets an interface gets, at most.
[[nodiscard]] std::size_t spare_sockets(unsigned readers, std::size_t most) noexcept;

class CaptureSockets {
 public:
  using FilterFor = std::function<TargetFilter(const ring::CaptureTarget&)>;

  // Begins to capture on each target. `closer` gets what is left at the end.
  CaptureSockets(CaptureConfig config, std::span<const ring::CaptureTarget> targets,
                 const FilterFor& filter_for, SocketCloser& closer);
  ~CaptureSockets() { close(); }
  CaptureSockets(const CaptureSockets&) = delete;
  CaptureSockets& operator=(const CaptureSockets&) = delete;

  // How many spare sockets it would like to have; and opens that many at most. Where the kernel refuses,
  // capture goes on, and a recreated interface needs a restart.
  [[nodiscard]] std::size_t spares_wanted() const noexcept;
  void open_spares(std::size_t most) noexcept;

  // Reader i's socket on each target is [i]. Once.
  [[nodiscard]] std::vector<std::vector<FramedSocket>> take_sources();

  // Whether the target's interface was deleted since.
  [[nodiscard]] bool lost(std::size_t target) const noexcept;

  // Captures on the interface that has the target's name now: a socket for each reader, or one for
  // the first of them only. None: all are still with the readers, or used up.
  [[nodiscard]] std::vector<FramedSocket> reopen(std::size_t target, std::uint32_t index);

  // Whether no socket is left for the target, nor one on its way back.
  [[nodiscard]] bool used_up(std::size_t target) const noexcept;

  // Takes back a socket that was replaced.
  void put_back(std::size_t target, FramedSocket source);

  // How often the kernel waits until all are closed, those taken too.
  [[nodiscard]] std::size_t waits_to_close() const noexcept;
  // Gives up all that have not been taken.
  void close() noexcept;

 private:
  struct Watched {
    ring::CaptureTarget target;
    TargetFilter filter;
    std::vector<ring::PacketSocket> capturing;  // until they are taken
    std::vector<ring::PacketSocket> spare;
    std::size_t singles_taken = 0;
    int first = -1;  // the first reader's descriptor, which is closed by nobody else
  };

  [[nodiscard]] std::size_t deletable() const noexcept;
  [[nodiscard]] std::size_t take_size(const Watched& watched) const noexcept;
  void begin(const FilterFor& filter_for);
  void map_rings();
  void start(Watched& watched, const ring::CaptureTarget& target,
             std::span<ring::PacketSocket> sockets);
  static void keep(Watched& watched, ring::PacketSocket socket);
  [[nodiscard]] static FramedSocket take(Watched& watched, ring::PacketSocket socket);

  const CaptureConfig config_;
  SocketCloser& closer_;
  std::vector<Watched> watched_;
};

}  // namespace tcpeek::engine
