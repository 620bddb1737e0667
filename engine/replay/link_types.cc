#include "engine/replay/link_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace tcpeek::engine {
namespace {

using flowtable::LinkFraming;

struct KnownType {
  std::uint16_t number;
  const char* name;
  const char* description;
  LinkFraming link;
};

constexpr std::array kKnown{
    KnownType{0, "NULL", "BSD loopback", LinkFraming::family},
    KnownType{1, "EN10MB", "Ethernet", LinkFraming::ethernet},
    KnownType{12, "RAW", "Raw IP", LinkFraming::raw_ip},  // written by some programs
    KnownType{14, "RAW", "Raw IP", LinkFraming::raw_ip},
    KnownType{101, "RAW", "Raw IP", LinkFraming::raw_ip},
    KnownType{108, "LOOP", "OpenBSD loopback", LinkFraming::family},
    KnownType{113, "LINUX_SLL", "Linux cooked v1", LinkFraming::cooked},
    KnownType{228, "IPV4", "Raw IPv4", LinkFraming::raw_ip},
    KnownType{229, "IPV6", "Raw IPv6", LinkFraming::raw_ip},
    KnownType{239, "NFLOG", "netfilter log", LinkFraming::nflog},
    KnownType{276, "LINUX_SLL2", "Linux cooked v2", LinkFraming::cooked_v2},
};

struct Other {
  std::uint16_t number;
  const char* name;
};

// Those that users are likely to have.
constexpr std::array kOthers{
    Other{6, "IEEE802_5"},
    Other{8, "SLIP"},
    Other{9, "PPP"},
    Other{10, "FDDI"},
    Other{50, "PPP_HDLC"},
    Other{51, "PPP_ETHER"},
    Other{104, "C_HDLC"},
    Other{105, "IEEE802_11"},
    Other{107, "FRELAY"},
    Other{117, "PFLOG"},
    Other{119, "PRISM"},
    Other{127, "IEEE802_11_RADIO"},
    Other{143, "DOCSIS"},
    Other{147, "USER0"},
    Other{187, "BLUETOOTH"},
    Other{189, "USB_LINUX"},
    Other{192, "PPI"},
    Other{195, "IEEE802_15_4"},
    Other{220, "USB_LINUX_MMAPPED"},
    Other{227, "CAN_SOCKETCAN"},
    Other{249, "USBPCAP"},
    Other{252, "WIRESHARK_UPPER_PDU"},
    Other{253, "NETLINK"},
    Other{254, "BLUETOOTH_LINUX_MONITOR"},
};

}  // namespace

std::optional<LinkFraming> link_of(std::uint16_t link_type) noexcept {
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(),
                                   [&](const KnownType& k) { return k.number == link_type; });
  if (known == kKnown.end()) return std::nullopt;
  return known->link;
}

std::vector<std::uint16_t> known_link_types() {
  std::vector<std::uint16_t> numbers;
  numbers.reserve(std::size(kKnown));
  for (const KnownType& known : kKnown) numbers.push_back(known.number);
  return numbers;
}

std::string describe_link_type(std::uint16_t link_type) {
  for (const KnownType& known : kKnown) {
    if (known.number == link_type) return fmt::format("{} ({})", known.name, known.description);
  }
  for (const Other& other : kOthers) {
    if (other.number == link_type) return fmt::format("{} ({})", link_type, other.name);
  }
  return std::to_string(link_type);
}

}  // namespace tcpeek::engine
