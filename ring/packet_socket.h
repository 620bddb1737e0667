// A packet socket with its ring: all system calls of capture.
//
// Set up in stages, so that it never delivers a packet before its group is ready: opened with
// protocol 0 it receives nothing; it gets a filter that rejects everything, then its ring, is bound
// and joins its fanout group; last, when the group is complete, the real filter. tp_sizeof_priv is
// 0 and a live ring is never reconfigured (CVE-2016-8655, CVE-2017-7308, CVE-2020-14386).
//
// Thread contract: set up by one thread, then ring() and statistics() by one reader.
// Errors: std::system_error naming the call and the interface.
// Source: Linux Documentation/networking/packet_mmap.rst, net/packet/af_packet.c.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>

#include "ring/descriptor.h"
#include "ring/geometry.h"
#include "ring/packet_ring.h"

namespace tcpeek::ring {

// Where a packet's bytes begin.
enum class Access : std::uint8_t {
  link_layer,     // SOCK_RAW: at the link header
  network_layer,  // SOCK_DGRAM: at the network header, for any mixture of devices
};

struct SocketStatistics {
  std::uint64_t seen = 0;     // passed the filter, dropped ones included
  std::uint64_t dropped = 0;  // found the ring full
  std::uint64_t freezes = 0;  // times the ring became full

  SocketStatistics& operator+=(const SocketStatistics& o) noexcept {
    seen += o.seen;
    dropped += o.dropped;
    freezes += o.freezes;
    return *this;
  }
};

class PacketSocket {
 public:
  // `interface` is for messages until bind().
  PacketSocket(Access access, std::string interface);

  void set_filter(std::span<const sock_filter> program);
  // The same of a loaded eBPF program.
  void set_program(int descriptor);
  void map_ring(const RingGeometry& geometry);
  // Index 0: every interface.
  void bind(std::uint32_t interface_index);
  void set_promiscuous(std::uint32_t interface_index);

  // Fanout by program: creates a group and returns its id, or joins one.
  [[nodiscard]] std::uint16_t create_group();
  void join_group(std::uint16_t id);
  void set_steering(std::span<const sock_filter> program);

  [[nodiscard]] PacketRing& ring() noexcept { return ring_; }
  [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }
  [[nodiscard]] bool mapped() const noexcept { return !memory_.bytes().empty(); }
  // A member of a group can never be bound again; any other socket can.
  [[nodiscard]] bool grouped() const noexcept { return grouped_; }

  // The kernel's counts since the start. For one thread, as reading them resets the kernel's.
  [[nodiscard]] const SocketStatistics& statistics() noexcept;

  // Takes the counts, which start at zero again.
  [[nodiscard]] SocketStatistics take_statistics() noexcept;

  // Takes and clears the pending error (ENETDOWN when the interface went down).
  [[nodiscard]] int take_error() noexcept;

 private:
  void set_option(int name, const void* value, unsigned size, const char* what);

  std::string interface_;
  Descriptor socket_;
  Mapping memory_;
  PacketRing ring_;
  bool grouped_ = false;
  SocketStatistics statistics_;
};

// The interface that a packet socket is bound to; 0: all of them, or none any more, since the kernel
// unbinds the sockets of an interface that is deleted. Any thread may call it.
[[nodiscard]] std::uint32_t bound_interface(int descriptor) noexcept;

}  // namespace tcpeek::ring
