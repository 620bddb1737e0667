// The BPF half of steering.h. Scratch memory holds the running values; the index register points to
// a header whose position depends on the one before.

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <initializer_list>
#include <optional>

#include "ring/bpf_code.h"
#include "ring/steering.h"

namespace tcpeek::ring {
namespace {

constexpr std::uint32_t kTcp = 6;
constexpr std::uint32_t kIcmp = 1;
constexpr std::uint32_t kIcmpv6 = 58;
constexpr std::uint32_t kFragment = 44;
constexpr std::uint32_t kAuthentication = 51;
// Destination unreachable, time exceeded, parameter problem.
constexpr std::initializer_list<std::uint32_t> kIcmpErrors = {3, 11, 12};
constexpr std::initializer_list<std::uint32_t> kIcmpv6Errors = {1, 3, 4};
constexpr int kSteppedOver = 8;  // IPv6 extension headers, as many as the decoder reads

enum Scratch : std::uint32_t { hash, sum, temporary, outer, inner };

constexpr std::uint32_t net(std::uint32_t offset) {
  return static_cast<std::uint32_t>(SKF_NET_OFF) + offset;
}
constexpr std::uint32_t ancillary(std::uint32_t what) {
  return static_cast<std::uint32_t>(SKF_AD_OFF) + what;
}

// A field of the packet: counted from the network header, or from a distance kept in scratch memory
// (`outer`: behind the IP headers; `inner`: behind those that an ICMP error quotes).
struct Field {
  std::uint32_t offset = 0;
  std::optional<Scratch> from = std::nullopt;
};

class Emitter {
 public:
  explicit Emitter(const SteeringKey& key) : key_(key) {}

  // IPv4 at `base` bytes from the network header.
  void ipv4(std::uint32_t base);
  void ipv6(std::uint32_t base);
  BpfCode& code() { return code_; }

 private:
  void load(std::uint16_t size, Field field);
  void mix(std::uint16_t size, Field field, std::uint32_t factor);
  void end_hash(std::initializer_list<Field> words, Field port);
  // A <- A ^ A >> 15
  void fold();
  void skip_extensions(std::uint32_t base, Scratch from);
  void addresses_v6(std::uint32_t at, std::optional<Scratch> header, Field a_port, Field b_port);
  void return_owner(std::initializer_list<Field> a, Field a_port, std::initializer_list<Field> b,
                    Field b_port);

  const SteeringKey& key_;
  BpfCode code_;
};

void Emitter::load(std::uint16_t size, Field field) {
  if (field.from) {
    code_.add(BPF_LDX | BPF_MEM, *field.from);
    code_.add(static_cast<std::uint16_t>(BPF_LD | BPF_IND | size), net(field.offset));
  } else {
    code_.add(static_cast<std::uint16_t>(BPF_LD | BPF_ABS | size), net(field.offset));
  }
}

void Emitter::fold() {
  code_.add(BPF_ST, temporary);
  code_.add(BPF_ALU | BPF_RSH | BPF_K, 15);
  code_.add(BPF_LDX | BPF_MEM, temporary);
  code_.add(BPF_ALU | BPF_XOR | BPF_X);
}

void Emitter::mix(std::uint16_t size, Field field, std::uint32_t factor) {
  load(size, field);
  code_.add(BPF_LDX | BPF_MEM, hash);
  code_.add(BPF_ALU | BPF_XOR | BPF_X);
  code_.add(BPF_ALU | BPF_MUL | BPF_K, factor);
  fold();
  code_.add(BPF_ST, hash);
}

void Emitter::end_hash(std::initializer_list<Field> words, Field port) {
  code_.add(BPF_LD | BPF_IMM, key_.start);
  code_.add(BPF_ST, hash);
  for (const Field word : words) mix(BPF_W, word, key_.address_factor);
  mix(BPF_H, port, key_.port_factor);
}

void Emitter::return_owner(std::initializer_list<Field> a, Field a_port,
                           std::initializer_list<Field> b, Field b_port) {
  end_hash(a, a_port);
  code_.add(BPF_ST, sum);
  end_hash(b, b_port);
  code_.add(BPF_LDX | BPF_MEM, sum);
  code_.add(BPF_ALU | BPF_ADD | BPF_X);
  code_.add(BPF_ALU | BPF_MUL | BPF_K, key_.final_factor);
  fold();
  code_.add(BPF_RET | BPF_A);
}

void Emitter::ipv4(std::uint32_t base) {
  const auto give_up = code_.new_label();
  const auto not_tcp = code_.new_label();
  load(BPF_H, {base + 6});
  code_.if_any_bit(0x1fff, give_up);  // a later fragment
  code_.add(BPF_LDX | BPF_B | BPF_MSH, net(base));
  code_.add(BPF_STX, outer);
  load(BPF_B, {base + 9});
  code_.unless_equal(kTcp, not_tcp);
  return_owner({{base + 12}}, {base, outer}, {{base + 16}}, {base + 2, outer});

  code_.place(not_tcp);
  code_.unless_equal(kIcmp, give_up);
  const auto error = code_.new_label();
  load(BPF_B, {base, outer});
  for (const std::uint32_t type : kIcmpErrors) code_.if_equal(type, error);
  code_.add(BPF_RET | BPF_K, 0);
  code_.place(error);
  const std::uint32_t quoted = base + 8;
  load(BPF_B, {quoted + 9, outer});
  code_.unless_equal(kTcp, give_up);
  load(BPF_B, {quoted, outer});
  code_.add(BPF_ALU | BPF_AND | BPF_K, 0x0f);
  code_.add(BPF_ALU | BPF_LSH | BPF_K, 2);
  code_.add(BPF_LDX | BPF_MEM, outer);
  code_.add(BPF_ALU | BPF_ADD | BPF_X);
  code_.add(BPF_ST, inner);
  return_owner({{quoted + 12, outer}}, {quoted, inner}, {{quoted + 16, outer}},
               {quoted + 2, inner});
  code_.place(give_up);
  code_.add(BPF_RET | BPF_K, 0);
}

// Expects the first next-header value in the accumulator and the distance of what follows in
// `from`; advances both past the headers it knows: hop-by-hop, routing, fragment, authentication,
// destination options. A fragment other than the first has no ports: its "ports" would be data, but
// then it is not read as TCP either.
void Emitter::skip_extensions(std::uint32_t base, Scratch from) {
  for (int i = 0; i < kSteppedOver; ++i) {
    const auto extension = code_.new_label();
    const auto authentication = code_.new_label();
    const auto advance = code_.new_label();
    const auto done = code_.new_label();
    for (const std::uint32_t type : {0U, 43U, 60U}) code_.if_equal(type, extension);
    code_.if_equal(kAuthentication, authentication);
    code_.unless_equal(kFragment, done);
    code_.add(BPF_LD | BPF_IMM, 8);
    code_.go_to(advance);
    code_.place(authentication);
    load(BPF_B, {base + 1, from});
    code_.add(BPF_ALU | BPF_ADD | BPF_K, 2);
    code_.add(BPF_ALU | BPF_LSH | BPF_K, 2);
    code_.go_to(advance);
    code_.place(extension);
    load(BPF_B, {base + 1, from});
    code_.add(BPF_ALU | BPF_ADD | BPF_K, 1);
    code_.add(BPF_ALU | BPF_LSH | BPF_K, 3);
    code_.place(advance);
    // Now the header's length is in the accumulator: read its next-header field before moving on.
    code_.add(BPF_ST, temporary);
    load(BPF_B, {base, from});
    code_.add(BPF_ST, sum);
    code_.add(BPF_LD | BPF_MEM, temporary);
    code_.add(BPF_LDX | BPF_MEM, from);
    code_.add(BPF_ALU | BPF_ADD | BPF_X);
    code_.add(BPF_ST, from);
    code_.add(BPF_LD | BPF_MEM, sum);
    code_.place(done);
  }
}

void Emitter::addresses_v6(std::uint32_t at, std::optional<Scratch> header, Field a_port,
                           Field b_port) {
  return_owner({{at + 8, header}, {at + 12, header}, {at + 16, header}, {at + 20, header}}, a_port,
               {{at + 24, header}, {at + 28, header}, {at + 32, header}, {at + 36, header}},
               b_port);
}

void Emitter::ipv6(std::uint32_t base) {
  constexpr std::uint32_t kHeader = 40;
  const auto tcp = code_.new_label();
  const auto icmp = code_.new_label();
  const auto quotes_tcp = code_.new_label();
  code_.add(BPF_LD | BPF_IMM, kHeader);
  code_.add(BPF_ST, outer);
  load(BPF_B, {base + 6});
  skip_extensions(base, outer);
  code_.if_equal(kTcp, tcp);
  code_.if_equal(kIcmpv6, icmp);
  code_.add(BPF_RET | BPF_K, 0);

  code_.place(tcp);
  addresses_v6(base, std::nullopt, {base, outer}, {base + 2, outer});

  code_.place(icmp);
  const auto error = code_.new_label();
  load(BPF_B, {base, outer});
  for (const std::uint32_t type : kIcmpv6Errors) code_.if_equal(type, error);
  code_.add(BPF_RET | BPF_K, 0);
  code_.place(error);
  const std::uint32_t quoted = base + 8;
  code_.add(BPF_LD | BPF_MEM, outer);
  code_.add(BPF_ALU | BPF_ADD | BPF_K, kHeader);
  code_.add(BPF_ST, inner);
  load(BPF_B, {quoted + 6, outer});
  skip_extensions(quoted, inner);
  code_.if_equal(kTcp, quotes_tcp);
  code_.add(BPF_RET | BPF_K, 0);
  code_.place(quotes_tcp);
  addresses_v6(quoted, outer, {quoted, inner}, {quoted + 2, inner});
}

// One program for each network protocol, chosen by ethertype; each ends with a return.
std::vector<sock_filter> protocol_program(const SteeringKey& key, std::uint32_t base, bool v6) {
  Emitter emitter(key);
  if (v6) {
    emitter.ipv6(base);
  } else {
    emitter.ipv4(base);
  }
  return emitter.code().finish();
}

// Dispatches on the ethertype in the accumulator, with long jumps over the programs.
void by_ethertype(BpfCode& code, const SteeringKey& key, std::uint32_t base) {
  for (const bool v6 : {false, true}) {
    const auto here = code.new_label();
    const auto other = code.new_label();
    code.if_equal(v6 ? ETH_P_IPV6 : ETH_P_IP, here);
    code.go_to(other);
    code.place(here);
    code.append(protocol_program(key, base, v6));
    code.place(other);
  }
  code.add(BPF_RET | BPF_K, 0);
}

// One tag is left in the bytes (the outer one of two is not). In a received packet the network header
// is the tag; in an outgoing one it may be the IP header after it, with the version in its first
// byte: that is treated as an untagged packet, from `untagged` on, with its ethertype in the accumulator.
void behind_tag(BpfCode& code, const SteeringKey& key, BpfCode::Label untagged) {
  const auto received = code.new_label();
  const auto not_v4 = code.new_label();
  code.add(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PKTTYPE));
  code.unless_equal(PACKET_OUTGOING, received);
  code.add(BPF_LD | BPF_B | BPF_ABS, net(0));
  code.add(BPF_ALU | BPF_RSH | BPF_K, 4);
  code.unless_equal(4, not_v4);
  code.add(BPF_LD | BPF_IMM, ETH_P_IP);
  code.go_to(untagged);
  code.place(not_v4);
  code.unless_equal(6, received);
  code.add(BPF_LD | BPF_IMM, ETH_P_IPV6);
  code.go_to(untagged);
  code.place(received);
  code.add(BPF_LD | BPF_H | BPF_ABS, net(2));
  by_ethertype(code, key, 4);
}

}  // namespace

std::vector<sock_filter> steering_program(const SteeringKey& key) {
  BpfCode code;
  const auto tagged = code.new_label();
  const auto untagged = code.new_label();
  code.add(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PROTOCOL));
  code.if_equal(ETH_P_8021Q, tagged);
  code.if_equal(ETH_P_8021AD, tagged);
  code.go_to(untagged);
  code.place(tagged);
  behind_tag(code, key, untagged);
  code.place(untagged);
  by_ethertype(code, key, 0);
  return code.finish();
}

}  // namespace tcpeek::ring
