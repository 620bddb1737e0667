#include "ring/listeners.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "ring/descriptor.h"

namespace tcpeek::ring {
namespace {

constexpr std::size_t kBufferBytes = 32768;
constexpr unsigned kListening = 1U
                                << 10;  // 1 << TCP_LISTEN: netinet/tcp.h and linux/tcp.h conflict

std::array<std::uint8_t, 16> address_of(const inet_diag_sockid& id, bool v4) noexcept {
  std::array<std::uint8_t, 16> address{};
  std::uint32_t any = 0;
  if (!v4) {
    std::memcpy(address.data(), id.idiag_src, address.size());
  } else if (std::memcmp(id.idiag_src, &any, sizeof any) != 0) {
    address[10] = address[11] = 0xff;
    std::memcpy(address.data() + 12, id.idiag_src, 4);
  }
  return address;
}

std::uint32_t drops_of(const nlmsghdr* message) {
  const auto* attribute =
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, sizeof(inet_diag_msg)));
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    const bool long_enough =
        mnl_attr_get_payload_len(attribute) > SK_MEMINFO_DROPS * sizeof(std::uint32_t);
    if (mnl_attr_get_type(attribute) == INET_DIAG_SKMEMINFO && long_enough) {
      std::array<std::uint32_t, SK_MEMINFO_DROPS + 1> figures{};
      std::memcpy(figures.data(), mnl_attr_get_payload(attribute), sizeof figures);
      return figures[SK_MEMINFO_DROPS];
    }
    attribute = mnl_attr_next(attribute);
  }
  return 0;
}

int take(const nlmsghdr* message, void* list) {
  auto& listeners = *static_cast<std::vector<Listener>*>(list);
  if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
      mnl_nlmsg_get_payload_len(message) < sizeof(inet_diag_msg) ||
      listeners.size() == ListenerDump::kMost) {
    return MNL_CB_OK;
  }
  const auto* diag = static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(message));
  const bool v4 = diag->idiag_family == AF_INET;
  listeners.push_back(
      {.address = address_of(diag->id, v4),
       .v4 = v4,
       .port = ntohs(diag->id.idiag_sport),
       .cookie = std::uint64_t{diag->id.idiag_cookie[1]} << 32 | diag->id.idiag_cookie[0],
       .backlog = diag->idiag_rqueue,
       .backlog_max = diag->idiag_wqueue,
       .drops = drops_of(message)});
  return MNL_CB_OK;
}

}  // namespace

void ListenerDump::Close::operator()(mnl_socket* socket) const noexcept {
  mnl_socket_close(socket);
}

ListenerDump::ListenerDump()
    : socket_(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK)),
      buffer_(kBufferBytes) {
  if (!socket_ || mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    throw_errno("cannot open a netlink socket to ask for listening sockets");
}

bool ListenerDump::read(std::vector<Listener>& listeners) {
  listeners.clear();
  drain();
  return read_family(AF_INET, listeners) && read_family(AF_INET6, listeners);
}

// What an answer that was not read to its end left behind.
void ListenerDump::drain() noexcept {
  while (mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size()) > 0) {
  }
}

bool ListenerDump::read_family(std::uint8_t family, std::vector<Listener>& listeners) {
  nlmsghdr* request = mnl_nlmsg_put_header(buffer_.data());
  request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = ++sequence_;
  auto* query =
      static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(request, sizeof(inet_diag_req_v2)));
  query->sdiag_family = family;
  query->sdiag_protocol = IPPROTO_TCP;
  query->idiag_ext = 1U << (INET_DIAG_SKMEMINFO - 1);
  query->idiag_states = kListening;
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) return false;
  int state = MNL_CB_OK;
  while (state > MNL_CB_STOP) {
    const auto size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (size < 0) return false;
    state = mnl_cb_run(buffer_.data(), static_cast<std::size_t>(size), sequence_,
                       mnl_socket_get_portid(socket_.get()), take, &listeners);
  }
  return state == MNL_CB_STOP;
}

}  // namespace tcpeek::ring
