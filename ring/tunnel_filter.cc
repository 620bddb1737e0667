// Scratch memory holds where the header looked at begins, counted like any load of the program; blocks
// follow one another from the outside in, as jumps lead forward only.

#include "ring/tunnel_filter.h"

#include <linux/if_ether.h>
#include <netinet/tcp.h>

#include <cstdint>
#include <initializer_list>

#include "ring/bpf_code.h"

namespace tcpeek::ring {
namespace {

constexpr std::uint32_t kIcmp = 1, kIpv4 = 4, kTcp = 6, kUdp = 17, kIpv6 = 41, kGre = 47,
                        kAuthentication = 51, kIcmpv6 = 58;
constexpr std::uint32_t kOldQinQ = 0x9100, kBridged = 0x6558, kErspan = 0x88be, kErspanIii = 0x22eb;
constexpr std::initializer_list<std::uint32_t> kTags{ETH_P_8021Q, ETH_P_8021AD, kOldQinQ};
constexpr std::uint32_t kEthernet = 14, kTypeAt = 12, kTag = 4, kMostTags = 2;
constexpr std::uint32_t kAccept = 1;

enum Scratch : std::uint32_t { at, wanted, flags, size, next, length };

class TunnelFilter {
 public:
  explicit TunnelFilter(const CaptureFilter& filter) : filter_(filter) {}

  std::vector<sock_filter> program(Access access);

 private:
  using Label = BpfCode::Label;

  void find_outer_link();
  void find_outer_network();
  void outer();
  void udp();
  void gre();
  void carried();
  void ethernet();
  void inner_headers();
  void inner_protocol();
  void inner_icmp();
  void inner_tcp();

  void byte_from(std::uint32_t offset) { code_.add(BPF_LD | BPF_B | BPF_IND, offset); }
  void half_from(std::uint32_t offset) { code_.add(BPF_LD | BPF_H | BPF_IND, offset); }
  void from(Scratch place) { code_.add(BPF_LDX | BPF_MEM, place); }
  void read(Scratch place) { code_.add(BPF_LD | BPF_MEM, place); }
  void store(Scratch place) { code_.add(BPF_ST, place); }
  void set(Scratch place, std::uint32_t value) {
    code_.add(BPF_LD | BPF_IMM, value);
    store(place);
  }
  void set_beyond_x(Scratch place, std::uint32_t distance) {
    code_.add(BPF_MISC | BPF_TXA);
    add(distance);
    store(place);
  }
  void if_ip(Label v4, Label v6) {
    code_.if_equal(ETH_P_IP, v4);
    code_.if_equal(ETH_P_IPV6, v6);
  }
  void add(std::uint32_t value) { code_.add(BPF_ALU | BPF_ADD | BPF_K, value); }
  void add_x() { code_.add(BPF_ALU | BPF_ADD | BPF_X); }
  void mask(std::uint32_t bits) { code_.add(BPF_ALU | BPF_AND | BPF_K, bits); }
  void right(std::uint32_t bits) { code_.add(BPF_ALU | BPF_RSH | BPF_K, bits); }
  void left(std::uint32_t bits) { code_.add(BPF_ALU | BPF_LSH | BPF_K, bits); }
  void reject() { code_.add(BPF_RET | BPF_K, 0); }
  void if_any(std::initializer_list<std::uint32_t> values, Label then) {
    for (const std::uint32_t value : values) code_.if_equal(value, then);
  }
  // Every port of a tunnel that is looked into, or of any.
  void if_vxlan(Label then) {
    for (const std::uint16_t port : filter_.tunnels.vxlan_ports) {
      if (port != 0) code_.if_equal(port, then);
    }
  }
  void if_geneve(Label then) {
    if (filter_.tunnels.geneve_port != 0) code_.if_equal(filter_.tunnels.geneve_port, then);
  }

  const CaptureFilter& filter_;
  BpfCode code_;
  Label outer_v4_ = code_.new_label(), outer_v6_ = code_.new_label(), udp_ = code_.new_label(),
        gre_ = code_.new_label(), carried_ = code_.new_label(), ethernet_ = code_.new_label(),
        inner_v4_ = code_.new_label(), inner_v6_ = code_.new_label(),
        inner_protocol_ = code_.new_label(), inner_icmp_v4_ = code_.new_label(),
        inner_icmp_v6_ = code_.new_label(), whole_ = code_.new_label(), accept_ = code_.new_label(),
        reject_ = code_.new_label();
};

void TunnelFilter::find_outer_link() {
  for (std::uint32_t tags = 0; tags <= kMostTags; ++tags) {
    const Label tagged = code_.new_label();
    set(at, kEthernet + tags * kTag);
    code_.add(BPF_LD | BPF_H | BPF_ABS, kTypeAt + tags * kTag);
    if_ip(outer_v4_, outer_v6_);
    if (tags < kMostTags) if_any(kTags, tagged);
    reject();
    code_.place(tagged);
  }
}

// The kernel's metadata has the ethertype; a tag that is left in the bytes precedes the network header.
void TunnelFilter::find_outer_network() {
  const Label tagged = code_.new_label();
  set(at, 0);
  code_.add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PROTOCOL));
  if_ip(outer_v4_, outer_v6_);
  if_any({ETH_P_8021Q, ETH_P_8021AD}, tagged);
  reject();
  code_.place(tagged);
  set(at, kTag);
  code_.add(BPF_LD | BPF_H | BPF_ABS, 2);
  if_ip(outer_v4_, outer_v6_);
  reject();
}

void TunnelFilter::outer() {
  constexpr std::uint32_t kHeader = 40;
  const std::uint32_t ipip = filter_.tunnels.ipip ? 1 : 0;
  const Label protocol = code_.new_label(), extensions = code_.new_label(),
              none = code_.new_label(), not_udp = code_.new_label();
  code_.place(outer_v4_);
  from(at);
  byte_from(9);
  code_.if_equal(kTcp, none);  // most packets
  half_from(6);
  code_.if_any_bit(0x1fff, none);  // a later fragment
  set(wanted, ipip);
  byte_from(0);
  mask(0x0f);
  left(2);
  add_x();
  store(at);
  byte_from(9);
  code_.go_to(protocol);

  code_.place(outer_v6_);
  set(wanted, ipip);
  from(at);
  set_beyond_x(at, kHeader);
  byte_from(6);
  if_any({0, 43, 44, kAuthentication, 60, 135, 139, 140}, extensions);

  code_.place(protocol);
  code_.if_equal(kUdp, udp_);
  code_.if_equal(kGre, gre_);
  code_.if_equal(kIpv4, inner_v4_);
  code_.if_equal(kIpv6, inner_v6_);
  code_.place(none);
  reject();
  // Headers that lead to anything but UDP pass anyway, as TCP may follow.
  code_.place(extensions);
  byte_from(kHeader);
  code_.unless_equal(kUdp, not_udp);
  set(wanted, filter_.tunnels.vxlan || filter_.tunnels.geneve ? 1 : 0);
  code_.go_to(whole_);
  code_.place(not_udp);
  reject();
}

void TunnelFilter::udp() {
  constexpr std::uint32_t kHeader = 8, kVxlan = 8, kGeneve = 8, kNextProtocol = 0x04;
  const Label vxlan = code_.new_label(), geneve = code_.new_label(), gpe = code_.new_label();
  code_.place(udp_);
  from(at);
  half_from(2);
  if_vxlan(vxlan);
  if_geneve(geneve);
  reject();

  code_.place(vxlan);
  set(wanted, filter_.tunnels.vxlan ? 1 : 0);
  byte_from(kHeader);
  code_.if_any_bit(kNextProtocol, gpe);
  set_beyond_x(at, kHeader + kVxlan);
  code_.go_to(ethernet_);
  code_.place(gpe);
  code_.go_to(whole_);

  code_.place(geneve);
  set(wanted, filter_.tunnels.geneve ? 1 : 0);
  byte_from(kHeader);
  mask(0x3f);
  left(2);
  add_x();
  add(kHeader + kGeneve);
  store(at);
  half_from(kHeader + 2);
  code_.go_to(carried_);
}

// Its length depends on which fields the flags announce; each takes four bytes.
void TunnelFilter::gre() {
  const Label none = code_.new_label(), erspan = code_.new_label(), erspan_iii = code_.new_label(),
              other = code_.new_label();
  code_.place(gre_);
  set(wanted, filter_.tunnels.gre ? 1 : 0);
  from(at);
  half_from(0);
  code_.if_any_bit(0x4007, none);  // source routes, another version
  store(flags);
  right(13);  // the bit of the checksum, as the length of its field
  mask(4);
  store(size);
  for (const std::uint32_t bits : {11U, 10U}) {  // key, sequence number
    read(flags);
    right(bits);
    mask(4);
    from(size);
    add_x();
    store(size);
  }
  add(4);
  from(at);
  add_x();
  store(next);
  half_from(2);
  code_.if_equal(kErspan, erspan);
  code_.if_equal(kErspanIii, erspan_iii);
  store(length);
  read(next);
  store(at);
  read(length);
  code_.go_to(carried_);

  code_.place(erspan);
  read(flags);
  right(9);  // the bit of the sequence number, as the length of type II's header
  mask(8);
  from(next);
  add_x();
  store(at);
  code_.go_to(ethernet_);

  code_.place(erspan_iii);
  from(next);
  half_from(10);
  code_.if_any_bit(0x7c00, other);  // the frame type: no Ethernet
  mask(1);
  left(3);
  add(12);
  add_x();
  store(at);
  code_.go_to(ethernet_);
  code_.place(other);
  code_.go_to(whole_);
  code_.place(none);
  reject();
}

// Expects an ethertype in the accumulator.
void TunnelFilter::carried() {
  code_.place(carried_);
  code_.if_equal(kBridged, ethernet_);
  if_ip(inner_v4_, inner_v6_);
  code_.go_to(whole_);
}

void TunnelFilter::ethernet() {
  const Label other = code_.new_label();
  code_.place(ethernet_);
  from(at);
  for (std::uint32_t tags = 0; tags <= kMostTags; ++tags) {
    const Label tagged = code_.new_label();
    set_beyond_x(at, kEthernet + tags * kTag);
    half_from(kTypeAt + tags * kTag);
    if_ip(inner_v4_, inner_v6_);
    if (tags < kMostTags) {
      if_any(kTags, tagged);
      code_.go_to(other);
    }
    code_.place(tagged);
  }
  // What the decoder steps over as well: more tags, MPLS, PPPoE, VN-Tag, E-Tag; or LLC, by a length.
  code_.place(other);
  if_any(kTags, whole_);
  if_any({0x8847, 0x8848, 0x8864, 0x8926, 0x893f}, whole_);
  code_.if_any_bit(0xf800, reject_);
  code_.go_to(whole_);
}

// Where the transport header begins, and how much there is from there on, by the IP header's word.
void TunnelFilter::inner_headers() {
  code_.place(inner_v4_);
  from(at);
  half_from(6);
  code_.if_any_bit(0x1fff, reject_);
  byte_from(0);
  mask(0x0f);
  left(2);
  store(size);
  half_from(2);
  from(size);
  code_.add(BPF_ALU | BPF_SUB | BPF_X);
  store(length);
  read(size);
  from(at);
  add_x();
  store(next);
  byte_from(9);
  code_.if_equal(kIcmp, inner_icmp_v4_);
  code_.go_to(inner_protocol_);

  code_.place(inner_v6_);
  from(at);
  set_beyond_x(next, 40);
  half_from(4);
  store(length);
  byte_from(6);
  code_.if_equal(kIcmpv6, inner_icmp_v6_);
  if_any({0, 43, 44, 60, 135, 139, 140}, whole_);
}

void TunnelFilter::inner_protocol() {
  const Label tcp = code_.new_label(), udp = code_.new_label();
  code_.place(inner_protocol_);
  code_.if_equal(kTcp, tcp);
  code_.if_equal(kUdp, udp);
  if_any({kIpv4, kIpv6, kGre, kAuthentication}, whole_);
  reject();
  code_.place(udp);
  from(next);
  half_from(2);
  if_vxlan(whole_);
  if_geneve(whole_);
  reject();
  code_.place(tcp);
  inner_tcp();
}

void TunnelFilter::inner_tcp() {
  constexpr std::uint32_t kBegins = TH_SYN | TH_FIN | TH_RST;
  from(next);
  byte_from(13);
  mask(kBegins | TH_ACK);
  code_.if_equal(TH_SYN, accept_);
  if (filter_.scope == CaptureScope::tcp) return code_.go_to(whole_);
  code_.if_any_bit(kBegins, whole_);
  byte_from(12);
  mask(0xf0);
  right(2);
  code_.add(BPF_MISC | BPF_TAX);
  read(length);
  code_.add(BPF_ALU | BPF_SUB | BPF_X);
  code_.if_equal(0, whole_);
  reject();
}

// The errors that end an attempt (capture_filter.h).
void TunnelFilter::inner_icmp() {
  constexpr std::uint32_t kFragmentationNeeded = 0x0304;
  code_.place(inner_icmp_v4_);
  if (filter_.icmp) {
    from(next);
    half_from(0);
    code_.if_equal(kFragmentationNeeded, reject_);
    mask(0xff00);
    if_any({3U << 8, 11U << 8, 12U << 8}, whole_);
  }
  reject();
  code_.place(inner_icmp_v6_);
  if (filter_.icmp) {
    from(next);
    byte_from(0);
    if_any({1, 3, 4}, whole_);
  }
  reject();
}

std::vector<sock_filter> TunnelFilter::program(Access access) {
  access == Access::link_layer ? find_outer_link() : find_outer_network();
  outer();
  udp();
  gre();
  carried();
  ethernet();
  inner_headers();
  inner_protocol();
  inner_icmp();
  code_.place(whole_);
  read(wanted);
  code_.if_equal(0, reject_);
  code_.place(accept_);
  code_.add(BPF_RET | BPF_K, kAccept);
  code_.place(reject_);
  reject();
  return code_.finish();
}

}  // namespace

std::vector<sock_filter> tunnel_program(const CaptureFilter& filter, Access access) {
  return TunnelFilter(filter).program(access);
}

}  // namespace tcpeek::ring
