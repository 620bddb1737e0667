#include "ring/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tcpeek::ring {
PacketSocket::PacketSocket(Access access, std::string interface)
    : interface_(std::move(interface)) {
  const int type = access == Access::link_layer ? SOCK_RAW : SOCK_DGRAM;
  socket_ = Descriptor(::socket(AF_PACKET, type | SOCK_CLOEXEC, 0));
  if (socket_.get() < 0) throw_errno("cannot open a packet socket for " + interface_);
  constexpr int kVersion = TPACKET_V3;
  set_option(PACKET_VERSION, &kVersion, sizeof kVersion, "TPACKET_V3");
}

void PacketSocket::set_option(int name, const void* value, unsigned size, const char* what) {
  if (::setsockopt(socket_.get(), SOL_PACKET, name, value, size) != 0) {
    throw_errno("cannot set up " + std::string(what) + " on " + interface_);
  }
}

void PacketSocket::set_filter(std::span<const sock_filter> program) {
  // The kernel copies the program; sock_fprog merely lacks the const.
  const sock_fprog f{static_cast<unsigned short>(program.size()),
                     const_cast<sock_filter*>(program.data())};
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f) != 0) {
    throw_errno("cannot attach the capture filter on " + interface_);
  }
}

void PacketSocket::set_program(int descriptor) {
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_ATTACH_BPF, &descriptor, sizeof descriptor) != 0) {
    throw_errno("cannot attach the prefilter on " + interface_);
  }
}

void PacketSocket::map_ring(const RingGeometry& geometry) {
  validate(geometry, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  tpacket_req3 request{};
  request.tp_block_size = geometry.block_bytes;
  request.tp_block_nr = geometry.block_count;
  request.tp_frame_size = geometry.frame_bytes;
  request.tp_frame_nr = geometry.frame_count();
  request.tp_retire_blk_tov = static_cast<unsigned>(geometry.retire.count());
  const std::string what = "a ring of " + std::to_string(geometry.bytes() >> 20) + " MiB";
  set_option(PACKET_RX_RING, &request, sizeof request, what.c_str());
  memory_ = Mapping(socket_.get(), geometry.bytes(), what + " on " + interface_);
  ring_ = PacketRing(memory_.bytes(), geometry.block_bytes);
}

void PacketSocket::bind(std::uint32_t interface_index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(interface_index);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw_errno("cannot bind to " + interface_);
  }
}

void PacketSocket::set_promiscuous(std::uint32_t interface_index) {
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(interface_index);
  request.mr_type = PACKET_MR_PROMISC;
  set_option(PACKET_ADD_MEMBERSHIP, &request, sizeof request, "promiscuous mode");
}

std::uint16_t PacketSocket::create_group() {
  // The kernel picks an unused id; the others join by that id.
  const int request = (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
  set_option(PACKET_FANOUT, &request, sizeof request, "a fanout group");
  grouped_ = true;
  int chosen = 0;
  socklen_t size = sizeof chosen;
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_FANOUT, &chosen, &size) != 0) {
    throw_errno("cannot read the fanout group of " + interface_);
  }
  return static_cast<std::uint16_t>(chosen & 0xffff);
}

void PacketSocket::join_group(std::uint16_t id) {
  const int request = PACKET_FANOUT_CBPF << 16 | id;
  set_option(PACKET_FANOUT, &request, sizeof request, "fanout membership");
  grouped_ = true;
}

void PacketSocket::set_steering(std::span<const sock_filter> program) {
  const sock_fprog f{static_cast<unsigned short>(program.size()),
                     const_cast<sock_filter*>(program.data())};
  set_option(PACKET_FANOUT_DATA, &f, sizeof f, "the steering program");
}

const SocketStatistics& PacketSocket::statistics() noexcept {
  tpacket_stats_v3 latest{};
  socklen_t size = sizeof latest;
  // tp_packets includes tp_drops, and both are reset by reading.
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &latest, &size) == 0) {
    statistics_ += {latest.tp_packets, latest.tp_drops, latest.tp_freeze_q_cnt};
  }
  return statistics_;
}

SocketStatistics PacketSocket::take_statistics() noexcept {
  static_cast<void>(statistics());
  return std::exchange(statistics_, {});
}

int PacketSocket::take_error() noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  static_cast<void>(::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size));
  return error;
}

std::uint32_t bound_interface(int descriptor) noexcept {
  sockaddr_ll address{};
  socklen_t size = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return address.sll_ifindex > 0 ? static_cast<std::uint32_t>(address.sll_ifindex) : 0;
}

}  // namespace tcpeek::ring
