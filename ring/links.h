// Network interfaces and their addresses as the kernel knows them, by rtnetlink.
//
// The state is always read whole (a dump), never patched from notifications: a notification only
// says that it is time to read again, so a lost one (ENOBUFS) costs nothing.
//
// Thread contract: plain values; LinkEvents belongs to one thread.
// Errors: std::system_error naming the netlink request.
// Source: rtnetlink(7).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ring/packet_socket.h"

struct mnl_socket;

namespace tcpeek::ring {

struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::uint16_t hardware_type = 0;  // ARPHRD_*
  bool up = false;                  // set up by the administrator
  bool carrier = false;             // its cable is connected
  bool loopback = false;
  std::uint64_t if_dropped = 0;  // lost by the device: missed and FIFO errors
};

struct LinkAddress {
  std::uint32_t index = 0;
  std::array<std::uint8_t, 16> bytes{};  // IPv4 in the first four
  bool v4 = false;
};

struct LinkState {
  std::vector<Link> links;
  std::vector<LinkAddress> addresses;

  [[nodiscard]] const Link* find(const std::string& name) const noexcept;
};

[[nodiscard]] LinkState read_links();

// The interface to watch when none is named: that of the default route, IPv4 before IPv6, lowest
// metric first; else the first that is up and not loopback.
[[nodiscard]] std::optional<std::string> default_interface(const LinkState& state);

// How packets of this device are read: from Ethernet-like devices with their header, else without.
[[nodiscard]] Access access_for(const Link& link) noexcept;
// libpcap's name for what readers see: EN10MB or RAW.
[[nodiscard]] const char* link_type_name(Access access) noexcept;
[[nodiscard]] const char* link_type_description(Access access) noexcept;

class LinkEvents {
 public:
  LinkEvents();
  [[nodiscard]] int descriptor() const noexcept;
  // Reads what has arrived; true if links or addresses may have changed.
  [[nodiscard]] bool drain() noexcept;

 private:
  struct Close {
    void operator()(mnl_socket* socket) const noexcept;
  };
  std::unique_ptr<mnl_socket, Close> socket_;
};

}  // namespace tcpeek::ring
