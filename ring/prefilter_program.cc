// How it reads: Builder::run() is the order of things; each step below it is one function.
//
// Registers: r6 the context; r7 and r8 first those of the classic program, then the address of a flow's mark
// and the segment's flags; r9 where the network header begins, on the slow way, then the ports.
#include "ring/prefilter_program.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <initializer_list>
#include <stdexcept>

#include "ring/capture_program.h"
#include "ring/classic_in_ebpf.h"

namespace tcpeek::ring {
namespace {

// What is copied to the stack, by distance from its end; every field lies by its size. The link header
// ends where the network header begins. The classic program's scratch memory is above.
constexpr std::int16_t kNetwork = -112;
constexpr std::int16_t kLink = kNetwork - ETH_HLEN;
constexpr std::int16_t kTcp = -152;  // where it does not follow an IPv4 header of 20 bytes
constexpr std::int16_t kTag = -160;
constexpr std::int16_t kTcpBehindV4 = kNetwork + 20;

constexpr std::uint32_t kV4Header = 20, kV6Header = 40, kTcpHeader = 20;
constexpr std::int16_t kV4Length = 2, kV4Fragment = 6, kV4Protocol = 9, kV4Source = 12,
                       kV4Destination = 16;
constexpr std::int16_t kV6Length = 4, kV6Next = 6, kV6Source = 8, kV6Destination = 24;
constexpr std::int16_t kTcpOffset = 12, kTcpFlags = 13;
constexpr std::uint32_t kFragmented = 0x3fff;  // more fragments, or an offset
constexpr std::uint32_t kMostTags = 2;
constexpr std::initializer_list<std::uint32_t> kTagTypes = {ETH_P_8021Q, ETH_P_8021AD, ETH_P_QINQ1};
// Of IPv6, those that the decoder steps over; of IPv4, AH alone.
constexpr std::initializer_list<std::uint32_t> kExtensions = {0, 43, 44, 51, 60, 135, 139, 140};

constexpr std::int16_t at(std::int16_t base, std::int16_t offset) {
  return static_cast<std::int16_t>(base + offset);
}

class Builder {
 public:
  explicit Builder(const PrefilterProgram& wanted)
      : wanted_(wanted),
        at_link_(wanted.access == Access::link_layer),
        start_(at_link_ ? ETH_HLEN : 0) {}

  std::vector<EbpfInstruction> run() {
    code_.alu(Alu::mov, Reg::r6, Reg::r1);
    reject_leaving_loopback();
    judge_plain_segments();
    code_.place(not_plain_);
    append_classic(code_, capture_program(wanted_.filter, wanted_.access, wanted_.loopback_index),
                   accepted_);
    code_.place(accepted_);
    find_flow();
    hash_flow();
    marks_.judge_ack();
    code_.place(unknown_);
    marks_.find_of_all();
    code_.place(marked_);
    marks_.write();
    code_.place(copy_);
    code_.exit_with(kSnapLength);
    return code_.finish();
  }

 private:
  using Label = EbpfCode::Label;

  // Packet bytes to the stack; elsewhere if there are not that many.
  void copy(std::uint32_t from, std::int16_t to, std::uint32_t size, Label otherwise) {
    code_.alu32(Alu::mov, Reg::r2, from);
    copy_from_r2(to, size, otherwise);
  }
  void copy_from_r2(std::int16_t to, std::uint32_t size, Label otherwise) {
    code_.alu(Alu::mov, Reg::r1, Reg::r6);
    code_.alu(Alu::mov, Reg::r3, Reg::r10);
    code_.alu(Alu::add, Reg::r3, to);
    code_.alu32(Alu::mov, Reg::r4, size);
    code_.call(Helper::skb_load_bytes);
    code_.jump_if(Test::ne, Reg::r0, 0, otherwise);
  }
  void load_stack(Width width, Reg to, std::int16_t from) { code_.load(width, to, Reg::r10, from); }
  void load_number(Width width, Reg to, std::int16_t from) {
    load_stack(width, to, from);
    code_.from_network(to, width == Width::half ? 16 : 32);
  }
  void if_any(std::initializer_list<std::uint32_t> values, Reg reg, Label then) {
    for (const std::uint32_t value : values) code_.jump_if(Test::eq, reg, value, then);
  }
  void protocol_to(Reg to) {
    code_.load(Width::word, to, Reg::r6, context::kProtocol);
    code_.from_network(to, 16);
  }

  void reject_leaving_loopback() {
    if (wanted_.loopback_index == 0) return;
    const Label go_on = code_.new_label();
    if (!at_link_) {
      code_.load(Width::word, Reg::r1, Reg::r6, context::kInterface);
      code_.jump_if(Test::ne, Reg::r1, wanted_.loopback_index, go_on);
    }
    code_.load(Width::word, Reg::r1, Reg::r6, context::kPacketType);
    code_.jump_if(Test::ne, Reg::r1, PACKET_OUTGOING, go_on);
    code_.exit_with(0);
    code_.place(go_on);
  }

  // As in capture_program.cc. One call copies link and IPv6 header, or link, IPv4 and TCP header; a load
  // of classic BPF, as eBPF has them, would be a call each.
  void judge_plain_segments() {
    const Label v6 = code_.new_label();
    copy(0, at_link_ ? kLink : kNetwork, start_ + kV6Header, not_plain_);
    if (at_link_) {
      load_number(Width::half, Reg::r1, at(kNetwork, -2));
    } else {
      protocol_to(Reg::r1);
    }
    load_stack(Width::byte, Reg::r2, kNetwork);
    code_.jump_if(Test::eq, Reg::r1, ETH_P_IPV6, v6);
    code_.jump_if(Test::ne, Reg::r1, ETH_P_IP, not_plain_);
    judge_plain_v4();
    code_.place(v6);
    judge_plain_v6();
  }

  void judge_plain_v4() {
    code_.jump_if(Test::ne, Reg::r2, 0x45, not_plain_);
    load_stack(Width::byte, Reg::r1, at(kNetwork, kV4Protocol));
    code_.jump_if(Test::ne, Reg::r1, IPPROTO_TCP, not_plain_);
    load_number(Width::half, Reg::r1, at(kNetwork, kV4Fragment));
    code_.jump_if(Test::set, Reg::r1, kFragmented, not_plain_);
    load_number(Width::half, Reg::r1, at(kNetwork, kV4Length));
    reject_data(kTcpBehindV4, kV4Header);
    load_number(Width::word, Reg::r9, kTcpBehindV4);
    code_.go_to(v4_);
  }

  void judge_plain_v6() {
    code_.alu32(Alu::rsh, Reg::r2, 4);
    code_.jump_if(Test::ne, Reg::r2, 6, not_plain_);
    load_stack(Width::byte, Reg::r1, at(kNetwork, kV6Next));
    code_.jump_if(Test::ne, Reg::r1, IPPROTO_TCP, not_plain_);
    copy(start_ + kV6Header, kTcp, kTcpHeader, not_plain_);
    load_number(Width::half, Reg::r1, at(kNetwork, kV6Length));
    reject_data(kTcp, 0);
    code_.go_to(v6_);
  }

  // Leaves the flags in r8. r1 is the length of the packet, or what is behind the IPv6 header.
  void reject_data(std::int16_t tcp, std::uint32_t without_data) {
    const Label no_data = code_.new_label();
    const Label judged = code_.new_label();
    load_stack(Width::byte, Reg::r8, at(tcp, kTcpFlags));
    code_.jump_if(Test::set, Reg::r8, TH_SYN | TH_RST | TH_FIN, no_data);
    load_stack(Width::byte, Reg::r2, at(tcp, kTcpOffset));
    code_.alu32(Alu::and_, Reg::r2, 0xf0);
    code_.alu32(Alu::rsh, Reg::r2, 2);
    code_.alu32(Alu::sub, Reg::r1, Reg::r2);
    code_.jump_if(Test::eq, Reg::r1, without_data, judged);
    code_.exit_with(0);
    code_.place(no_data);
    copy_unless_syn_or_ack();
    code_.place(judged);
  }

  void copy_unless_syn_or_ack() {
    const Label go_on = code_.new_label();
    code_.jump_if(Test::set, Reg::r8, TH_SYN, go_on);
    code_.jump_if(Test::set, Reg::r8, TH_SYN | TH_RST | TH_FIN, copy_);
    code_.place(go_on);
  }

  // The classic program has accepted it, behind whatever headers.
  void find_flow() {
    const Label network = code_.new_label();
    const Label v6 = code_.new_label();
    skip_tags(network);
    code_.place(network);
    code_.jump_if(Test::eq, Reg::r7, ETH_P_IPV6, v6);
    code_.jump_if(Test::ne, Reg::r7, ETH_P_IP, unknown_);
    find_v4_flow();
    code_.place(v6);
    find_v6_flow();
  }

  // The ethertype is in r7 then, and r9 is where its header begins.
  void skip_tags(Label network) {
    if (at_link_) {
      copy(ETH_HLEN - 2, kTag, 2, unknown_);
      load_number(Width::half, Reg::r7, kTag);
    } else {
      protocol_to(Reg::r7);
    }
    code_.alu32(Alu::mov, Reg::r9, start_);
    for (std::uint32_t tags = 0; tags < kMostTags; ++tags) {
      const Label tagged = code_.new_label();
      if_any(kTagTypes, Reg::r7, tagged);
      code_.go_to(network);
      code_.place(tagged);
      code_.alu32(Alu::mov, Reg::r2, Reg::r9);
      copy_from_r2(kTag, 4, unknown_);
      load_number(Width::half, Reg::r7, at(kTag, 2));
      code_.alu32(Alu::add, Reg::r9, 4);
    }
  }

  // What the classic program accepts besides TCP and AH, ICMP errors and tunnels, begins no attempt. Of a
  // fragment not all that is read need be its TCP header.
  void find_v4_flow() {
    code_.alu32(Alu::mov, Reg::r2, Reg::r9);
    copy_from_r2(kNetwork, kV4Header, unknown_);
    load_stack(Width::byte, Reg::r1, at(kNetwork, kV4Protocol));
    code_.jump_if(Test::eq, Reg::r1, IPPROTO_AH, unknown_);
    code_.jump_if(Test::ne, Reg::r1, IPPROTO_TCP, copy_);
    load_stack(Width::byte, Reg::r2, kNetwork);
    code_.alu32(Alu::and_, Reg::r2, 0xf);
    code_.alu32(Alu::lsh, Reg::r2, 2);
    code_.alu32(Alu::add, Reg::r2, Reg::r9);
    copy_from_r2(kTcp, kTcpHeader, unknown_);
    load_stack(Width::byte, Reg::r8, at(kTcp, kTcpFlags));
    load_number(Width::half, Reg::r1, at(kNetwork, kV4Fragment));
    code_.jump_if(Test::set, Reg::r1, kFragmented, unknown_);
    copy_unless_syn_or_ack();
    load_number(Width::word, Reg::r9, kTcp);
    code_.go_to(v4_);
  }

  void find_v6_flow() {
    const Label tcp = code_.new_label();
    const Label extension = code_.new_label();
    code_.alu32(Alu::mov, Reg::r2, Reg::r9);
    copy_from_r2(kNetwork, kV6Header, unknown_);
    load_stack(Width::byte, Reg::r1, at(kNetwork, kV6Next));
    code_.jump_if(Test::eq, Reg::r1, IPPROTO_TCP, tcp);
    if_any(kExtensions, Reg::r1, extension);
    code_.go_to(copy_);
    code_.place(extension);
    judge_extension();
    code_.place(tcp);
    code_.alu32(Alu::mov, Reg::r2, Reg::r9);
    code_.alu32(Alu::add, Reg::r2, kV6Header);
    copy_from_r2(kTcp, kTcpHeader, unknown_);
    load_stack(Width::byte, Reg::r8, at(kTcp, kTcpFlags));
    copy_unless_syn_or_ack();
    code_.go_to(v6_);
  }

  // It names what follows. Reports of multicast listeners (ICMP behind hop-by-hop options) and tunnels of
  // Linux (behind destination options) are sent all the time.
  void judge_extension() {
    code_.alu32(Alu::mov, Reg::r2, Reg::r9);
    code_.alu32(Alu::add, Reg::r2, kV6Header);
    copy_from_r2(kTag, 1, unknown_);
    load_stack(Width::byte, Reg::r1, kTag);
    code_.jump_if(Test::eq, Reg::r1, IPPROTO_TCP, unknown_);
    if_any(kExtensions, Reg::r1, unknown_);
    code_.go_to(copy_);
  }

  // `to` = (`to` ^ `with`) * factor, mixed.
  void mix(Reg to, Reg with, std::uint32_t factor) {
    code_.alu32(Alu::xor_, to, with);
    code_.alu32(Alu::mul, to, factor);
    fold(to);
  }
  void fold(Reg value) {
    code_.alu32(Alu::mov, Reg::r0, value);
    code_.alu32(Alu::rsh, Reg::r0, 15);
    code_.alu32(Alu::xor_, value, Reg::r0);
  }

  // steering_hash() of the two ends. Both families end with an end's hash in r3 and r4 each, and the
  // ports, the sender's above, in r9.
  void hash_flow() {
    const Label ports = code_.new_label();
    code_.place(v6_);
    marks_.copy_where_all_pass();
    hash_address(Reg::r3, kV6Source, 4);
    hash_address(Reg::r4, kV6Destination, 4);
    load_number(Width::word, Reg::r9, kTcp);
    code_.go_to(ports);
    code_.place(v4_);
    marks_.copy_where_all_pass();
    hash_address(Reg::r3, kV4Source, 1);
    hash_address(Reg::r4, kV4Destination, 1);
    code_.place(ports);
    code_.alu32(Alu::mov, Reg::r2, Reg::r9);
    code_.alu32(Alu::rsh, Reg::r2, 16);
    code_.alu32(Alu::and_, Reg::r9, 0xffff);
    mix(Reg::r3, Reg::r2, wanted_.key.port_factor);
    mix(Reg::r4, Reg::r9, wanted_.key.port_factor);
    code_.alu32(Alu::add, Reg::r3, Reg::r4);
    code_.alu32(Alu::mul, Reg::r3, wanted_.key.final_factor);
    fold(Reg::r3);
    marks_.find_of_hash_in_r3();
    code_.jump_if(Test::set, Reg::r8, TH_SYN, marked_);
  }

  void hash_address(Reg to, std::int16_t offset, int words) {
    code_.alu32(Alu::mov, to, wanted_.key.start);
    for (int i = 0; i < words; ++i) {
      load_number(Width::word, Reg::r2, at(kNetwork, static_cast<std::int16_t>(offset + 4 * i)));
      mix(to, Reg::r2, wanted_.key.address_factor);
    }
  }

  const PrefilterProgram& wanted_;
  const bool at_link_;
  const std::uint32_t start_;  // of the network header
  EbpfCode code_;
  const Label not_plain_ = code_.new_label();
  const Label accepted_ = code_.new_label();
  const Label unknown_ =
      code_.new_label();                // not where the program can see it: all ACKs are to pass
  const Label v4_ = code_.new_label();  // headers on the stack, ports in r9, flags in r8
  const Label v6_ = code_.new_label();  // headers on the stack, flags in r8
  const Label marked_ = code_.new_label();  // a mark is to be made at r7
  const Label copy_ = code_.new_label();
  MarkCode marks_{code_, wanted_.marks, wanted_.lifetime, copy_};
};

}  // namespace

PrefilterConflict prefilter_conflict(const CaptureFilter& filter) noexcept {
  if (filter.scope == CaptureScope::tcp) return PrefilterConflict::every_segment;
  if (!filter.narrowed_by.empty()) return PrefilterConflict::expression;
  if (filter.tunnels.any()) return PrefilterConflict::tunnels;
  return PrefilterConflict::none;
}

std::vector<EbpfInstruction> prefilter_program(const PrefilterProgram& wanted) {
  if (prefilter_conflict(wanted.filter) != PrefilterConflict::none)
    throw std::logic_error("no prefilter for this capture filter");
  return Builder(wanted).run();
}

}  // namespace tcpeek::ring
