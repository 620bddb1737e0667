#include "ring/capture_filter.h"

namespace tcpeek::ring {
namespace {

// SYN, RST or FIN; total length minus both headers is zero. Or a first fragment that ends inside the TCP
// header, which may hide a SYN: first those without all of the fixed part, as what is read after that has
// to be there. Addressing tcp[] implies an unfragmented packet or a first fragment.
constexpr const char* kHandshakeV4 =
    "(ip proto 6 and ip[6:2] & 0x1fff = 0 and "
    "((ip[6:2] & 0x2000 != 0 and ip[2:2] < ((ip[0] & 0xf) << 2) + 20) or tcp[13] & 7 != 0 or "
    "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) = 0 or "
    "(ip[6:2] & 0x2000 != 0 and ip[2:2] < ((ip[0] & 0xf) << 2) + ((tcp[12] & 0xf0) >> 2))))";
constexpr const char* kHandshakeV6 =
    "(ip6[6] = 6 and (ip6[53] & 7 != 0 or ip6[4:2] - ((ip6[52] & 0xf0) >> 2) = 0))";
constexpr const char* kTcpV4 = "(ip proto 6 and ip[6:2] & 0x1fff = 0)";
constexpr const char* kTcpV6 = "(ip6[6] = 6)";
constexpr const char* kAuthenticatedTcpV4 =
    "(ip proto 51 and ip[6:2] & 0x1fff = 0 and ip[(ip[0] & 0xf) << 2] = 6)";
constexpr const char* kAuthenticatedIcmpV4 =
    "(ip proto 51 and ip[6:2] & 0x1fff = 0 and ip[(ip[0] & 0xf) << 2] = 1)";
// Hop-by-hop, routing, authentication, destination options, mobility, HIP, Shim6; fragments that are the
// first or only one.
constexpr const char* kExtensionsV6 =
    "((ip6[6] = 0 or ip6[6] = 43 or ip6[6] = 51 or ip6[6] = 60 or ip6[6] = 135 or ip6[6] = 139 or "
    "ip6[6] = 140 or (ip6[6] = 44 and ip6[42:2] & 0xfff8 = 0)) and ip6[40] != 17";
// Those on which Linux gives up a connection that is being made: destination unreachable but for
// fragmentation needed, time exceeded, parameter problem.
constexpr const char* kErrorsV4 =
    "((icmp[0] = 3 and icmp[1] != 4) or icmp[0] = 11 or icmp[0] = 12)";
constexpr const char* kErrorsV6 = "(ip6[6] = 58 and (ip6[40] = 1 or ip6[40] = 3 or ip6[40] = 4))";

std::string terms_v4(const CaptureFilter& filter) {
  std::string terms = filter.scope == CaptureScope::handshake ? kHandshakeV4 : kTcpV4;
  terms += std::string(" or ") + kAuthenticatedTcpV4;
  if (filter.icmp) terms += std::string(" or ") + kErrorsV4 + " or " + kAuthenticatedIcmpV4;
  return terms;
}

std::string terms_v6(const CaptureFilter& filter) {
  std::string terms = filter.scope == CaptureScope::handshake ? kHandshakeV6 : kTcpV6;
  terms += std::string(" or ") + kExtensionsV6 + (filter.icmp ? ")" : " and ip6[40] != 58)");
  if (filter.icmp) terms += std::string(" or ") + kErrorsV6;
  return terms;
}

}  // namespace

CaptureTerms capture_terms(const CaptureFilter& filter) {
  return {terms_v4(filter), terms_v6(filter)};
}

std::string capture_expression(const CaptureFilter& filter) {
  const CaptureTerms terms = capture_terms(filter);
  std::string ours = terms.v4 + " or " + terms.v6;
  if (filter.narrowed_by.empty()) return ours;
  return "(" + ours + ") and (" + filter.narrowed_by + ")";
}

std::string behind_tags_too(const std::string& expression) {
  const std::string one = "(" + expression + ")";
  return one + " or (vlan and " + one + ") or (vlan and " + one + ")";
}

}  // namespace tcpeek::ring
