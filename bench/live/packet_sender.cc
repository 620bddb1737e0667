// Frames are written a batch at a time and given to the kernel by sendmmsg until it took each one.
#include "bench/live/packet_sender.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace tcpeek::bench {
namespace {

constexpr std::size_t kBatch = 128;
constexpr unsigned kMaxRefusals = 1'000'000;  // in a row: the interface is down or stuck

}  // namespace

PacketSender::PacketSender(Load load, bool ipv6, std::uint32_t period, unsigned interface_index)
    : load_(load),
      period_(period),
      layout_(ipv6 ? kIpv6Layout : kIpv4Layout),
      // Protocol 0: it sends, and receives nothing.
      socket_(checked(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket(AF_PACKET)")),
      frames_(kBatch, frame_template(load, ipv6)) {
  const int on = 1;
  checked(::setsockopt(socket_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on),
          "setsockopt(PACKET_QDISC_BYPASS)");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(interface_index);
  checked(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind(AF_PACKET) to interface " + std::to_string(interface_index));
}

void PacketSender::send(std::uint64_t first, std::uint32_t packets) {
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    vectors[i] = {frames_[i].data(), frames_[i].size()};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (std::size_t done = 0; done < packets;) {
    const std::size_t batch = std::min(kBatch, packets - done);
    for (std::size_t i = 0; i < batch; ++i)
      write_fields(fields_of(load_, first + done + i, period_), layout_, frames_[i]);
    unsigned refusals = 0;
    for (std::size_t sent = 0; sent < batch;) {
      const int accepted =
          ::sendmmsg(socket_.get(), &messages[sent], static_cast<unsigned>(batch - sent), 0);
      if (accepted > 0) {
        sent += static_cast<std::size_t>(accepted);
        refusals = 0;
        continue;
      }
      const bool passing = errno == ENOBUFS || errno == EAGAIN || errno == EINTR;
      if (!passing || ++refusals > kMaxRefusals) throw_errno("sendmmsg");
    }
    done += batch;
  }
}

}  // namespace tcpeek::bench
