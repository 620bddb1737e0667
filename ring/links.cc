#include "ring/links.h"

#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <limits>

namespace tcpeek::ring {
namespace {

using MessageHandler = std::function<void(const nlmsghdr*)>;

struct CloseSocket {
  void operator()(mnl_socket* s) const noexcept { mnl_socket_close(s); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

int call_handler(const nlmsghdr* message, void* handler) {
  (*static_cast<MessageHandler*>(handler))(message);
  return MNL_CB_OK;
}

// Takes the answer as it is: changes in the meantime are notified, and then it is read again.
void forget_interruption(char* answer, int size) {
  auto* message = reinterpret_cast<nlmsghdr*>(answer);
  for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size)) {
    message->nlmsg_flags &= static_cast<std::uint16_t>(~NLM_F_DUMP_INTR);
  }
}

// One dump request and all of its answers. A dump interrupted by a change (EINTR) is repeated a few
// times.
void dump(std::uint16_t type, std::uint8_t family, const std::string& what,
          const std::function<void()>& restart, MessageHandler handler) {
  std::vector<char> buffer(32768);
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    restart();
    // A socket of its own: the rest of an interrupted dump would be read as part of the next.
    Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
      throw_errno("cannot open a netlink socket to read " + what);
    }
    nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    const auto sequence = request->nlmsg_seq = static_cast<std::uint32_t>(attempt);
    static_cast<rtgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtgenmsg)))->rtgen_family =
        family;
    if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0) {
      throw_errno("cannot ask the kernel for " + what);
    }
    int state = MNL_CB_OK;
    while (state > MNL_CB_STOP) {
      const auto size = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
      if (size < 0) throw_errno("cannot read the kernel's answer about " + what);
      if (attempt == kAttempts) forget_interruption(buffer.data(), static_cast<int>(size));
      state = mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), sequence,
                         mnl_socket_get_portid(socket.get()), call_handler, &handler);
    }
    if (state == MNL_CB_STOP) return;
    if (errno != EINTR) throw_errno("cannot read the kernel's answer about " + what);
  }
}

// IFF_LOWER_UP of linux/if.h, which conflicts with net/if.h.
constexpr unsigned kLowerUp = 1U << 16;

std::uint64_t device_drops(const nlattr* attribute) {
  rtnl_link_stats64 stats{};
  std::memcpy(&stats, mnl_attr_get_payload(attribute),
              std::min<std::size_t>(mnl_attr_get_payload_len(attribute), sizeof stats));
  return stats.rx_missed_errors + stats.rx_fifo_errors;
}

// Calls fn(attribute) for each attribute behind a header of type Header.
template <class Header, class Fn>
void for_each_attribute(const nlmsghdr* message, Fn&& fn) {
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  const auto* attribute =
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, sizeof(Header)));
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    fn(attribute);
    attribute = mnl_attr_next(attribute);
  }
}

Link parse_link(const nlmsghdr* message) {
  const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  Link link;
  link.index = static_cast<std::uint32_t>(info->ifi_index);
  link.hardware_type = info->ifi_type;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  link.carrier = (info->ifi_flags & kLowerUp) != 0;
  link.loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
  for_each_attribute<ifinfomsg>(message, [&](const nlattr* a) {
    if (mnl_attr_get_type(a) == IFLA_IFNAME) link.name = mnl_attr_get_str(a);
    if (mnl_attr_get_type(a) == IFLA_STATS64) link.if_dropped = device_drops(a);
  });
  return link;
}

std::optional<LinkAddress> parse_address(const nlmsghdr* message) {
  const auto* info = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  LinkAddress address;
  address.index = info->ifa_index;
  address.v4 = info->ifa_family == AF_INET;
  const std::size_t size = address.v4 ? 4 : 16;
  // On point-to-point links IFA_ADDRESS is the peer's; IFA_LOCAL, where present, is ours.
  const nlattr* ours = nullptr;
  for_each_attribute<ifaddrmsg>(message, [&](const nlattr* a) {
    const auto type = mnl_attr_get_type(a);
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && ours == nullptr)) ours = a;
  });
  if (ours == nullptr || mnl_attr_get_payload_len(ours) < size) return std::nullopt;
  std::memcpy(address.bytes.data(), mnl_attr_get_payload(ours), size);
  return address;
}

struct Route {
  std::uint32_t interface = 0;
  std::uint32_t metric = 0;
};

// The interface of the first of several equal next hops.
std::uint32_t first_hop(const nlattr* attribute) {
  rtnexthop hop{};
  if (mnl_attr_get_payload_len(attribute) < sizeof hop) return 0;
  std::memcpy(&hop, mnl_attr_get_payload(attribute), sizeof hop);
  return static_cast<std::uint32_t>(hop.rtnh_ifindex);
}

std::optional<Route> parse_default_route(const nlmsghdr* message) {
  const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  if (info->rtm_dst_len != 0 || info->rtm_type != RTN_UNICAST || info->rtm_table != RT_TABLE_MAIN) {
    return std::nullopt;
  }
  Route route;
  for_each_attribute<rtmsg>(message, [&](const nlattr* a) {
    if (mnl_attr_get_type(a) == RTA_OIF) route.interface = mnl_attr_get_u32(a);
    if (mnl_attr_get_type(a) == RTA_MULTIPATH) route.interface = first_hop(a);
    if (mnl_attr_get_type(a) == RTA_PRIORITY) route.metric = mnl_attr_get_u32(a);
  });
  return route.interface != 0 ? std::optional(route) : std::nullopt;
}

std::uint32_t default_route_interface(std::uint8_t family) {
  std::optional<Route> best;
  dump(
      RTM_GETROUTE, family, "routes", [&] { best.reset(); },
      [&](const nlmsghdr* message) {
        const auto route = parse_default_route(message);
        if (route && (!best || route->metric < best->metric)) best = route;
      });
  return best ? best->interface : 0;
}

}  // namespace

const Link* LinkState::find(const std::string& name) const noexcept {
  const auto it =
      std::find_if(links.begin(), links.end(), [&](const Link& link) { return link.name == name; });
  return it != links.end() ? &*it : nullptr;
}

LinkState read_links() {
  LinkState state;
  dump(
      RTM_GETLINK, AF_PACKET, "interfaces", [&] { state.links.clear(); },
      [&](const nlmsghdr* message) { state.links.push_back(parse_link(message)); });
  dump(
      RTM_GETADDR, AF_UNSPEC, "addresses", [&] { state.addresses.clear(); },
      [&](const nlmsghdr* message) {
        if (const auto address = parse_address(message)) state.addresses.push_back(*address);
      });
  return state;
}

std::optional<std::string> default_interface(const LinkState& state) {
  for (const int family : {AF_INET, AF_INET6}) {
    const std::uint32_t index = default_route_interface(static_cast<std::uint8_t>(family));
    for (const Link& link : state.links) {
      if (index != 0 && link.index == index) return link.name;
    }
  }
  for (const Link& link : state.links) {
    if (link.up && !link.loopback) return link.name;
  }
  return std::nullopt;
}

Access access_for(const Link& link) noexcept {
  const bool ethernet = link.hardware_type == ARPHRD_ETHER || link.hardware_type == ARPHRD_LOOPBACK;
  return ethernet ? Access::link_layer : Access::network_layer;
}

const char* link_type_name(Access access) noexcept {
  return access == Access::link_layer ? "EN10MB" : "RAW";
}

const char* link_type_description(Access access) noexcept {
  return access == Access::link_layer ? "Ethernet" : "Raw IP";
}

void LinkEvents::Close::operator()(mnl_socket* socket) const noexcept {
  mnl_socket_close(socket);
}

LinkEvents::LinkEvents() : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK)) {
  constexpr unsigned kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (!socket_ || mnl_socket_bind(socket_.get(), kGroups, MNL_SOCKET_AUTOPID) < 0) {
    throw_errno("cannot open a netlink socket to watch interfaces");
  }
}

int LinkEvents::descriptor() const noexcept {
  return mnl_socket_get_fd(socket_.get());
}

bool LinkEvents::drain() noexcept {
  std::array<char, 8192> buffer;
  bool changed = false;
  // Bounded, so that a storm of changes cannot keep the caller; the rest is read next time.
  for (int reads = 0; reads < 64; ++reads) {
    const auto size = ::recv(descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno != ENOBUFS && errno != EINTR) break;
    changed = true;
  }
  return changed;
}

}  // namespace tcpeek::ring
