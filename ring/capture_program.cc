#include "ring/capture_program.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/tcp.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "ring/bpf_code.h"
#include "ring/compile_expression.h"
#include "ring/tunnel_filter.h"

namespace tcpeek::ring {
namespace {

using Program = std::vector<sock_filter>;

constexpr std::initializer_list<std::uint32_t> kTagTypes = {ETH_P_8021Q, ETH_P_8021AD, ETH_P_QINQ1};

constexpr std::uint32_t ancillary(std::uint32_t what) {
  return static_cast<std::uint32_t>(SKF_AD_OFF) + what;
}

struct PcapClose {
  void operator()(pcap_t* p) const noexcept { pcap_close(p); }
};

struct CompiledProgram {
  bpf_program program{};
  CompiledProgram() = default;
  CompiledProgram(const CompiledProgram&) = delete;
  CompiledProgram& operator=(const CompiledProgram&) = delete;
  ~CompiledProgram() { pcap_freecode(&program); }
};

// Throws FilterSyntaxError with libpcap's words.
Program compile(int link_type, const std::string& expression) {
  const std::unique_ptr<pcap_t, PcapClose> handle(pcap_open_dead(link_type, kSnapLength));
  if (!handle) throw std::bad_alloc();
  CompiledProgram compiled;
  compile_expression(handle.get(), &compiled.program, expression);
  Program program;
  for (unsigned i = 0; i < compiled.program.bf_len; ++i) {
    const bpf_insn& insn = compiled.program.bf_insns[i];
    program.push_back({insn.code, insn.jt, insn.jf, insn.k});
  }
  return program;
}

// The same program for a packet whose headers begin `bytes` later.
Program moved(Program program, std::uint32_t bytes) {
  constexpr auto kAncillary = static_cast<std::uint32_t>(SKF_LL_OFF);
  for (sock_filter& insn : program) {
    const bool load = BPF_CLASS(insn.code) == BPF_LD || BPF_CLASS(insn.code) == BPF_LDX;
    const auto mode = BPF_MODE(insn.code);
    const bool from_packet = mode == BPF_ABS || mode == BPF_IND || mode == BPF_MSH;
    if (load && from_packet && insn.k < kAncillary) insn.k += bytes;
  }
  return program;
}

// Rejects packets leaving by loopback; others go on.
void reject_leaving_loopback(BpfCode& code, Access access, std::uint32_t loopback_index) {
  if (loopback_index == 0) return;
  const auto go_on = code.new_label();
  if (access == Access::network_layer) {
    code.add(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_IFINDEX));
    code.unless_equal(loopback_index, go_on);
  }
  code.add(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PKTTYPE));
  code.unless_equal(PACKET_OUTGOING, go_on);
  code.add(BPF_RET | BPF_K, 0);
  code.place(go_on);
}

// Runs `program` if the accumulator holds the ethertype of either IP, else rejects.
Program if_ip(const Program& program) {
  BpfCode code;
  const auto ip = code.new_label();
  code.if_equal(ETH_P_IP, ip);
  code.if_equal(ETH_P_IPV6, ip);
  code.add(BPF_RET | BPF_K, 0);
  code.place(ip);
  code.append(program);
  return code.finish();
}

// Without a link header the ethertype comes from the kernel's metadata; a tag that is left in the
// bytes precedes the network header. Behind another one it does not look: such packets pass, as there are
// hardly any, unless they had to match the user's expression.
void network_layer_filter(BpfCode& code, const std::string& expression, bool pass_more_tags) {
  const Program plain = compile(DLT_RAW, expression);
  const auto tagged = code.new_label();
  const auto untagged = code.new_label();
  const auto more_tags = code.new_label();
  const auto one_tag = code.new_label();
  code.add(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_PROTOCOL));
  for (const std::uint32_t type : kTagTypes) code.if_equal(type, tagged);
  code.go_to(untagged);

  code.place(tagged);
  code.add(BPF_LD | BPF_H | BPF_ABS, 2);
  for (const std::uint32_t type : kTagTypes) code.if_equal(type, more_tags);
  code.go_to(one_tag);
  code.place(more_tags);
  code.add(BPF_RET | BPF_K, pass_more_tags ? kSnapLength : 0);
  code.place(one_tag);
  code.append(if_ip(moved(plain, 4)));

  code.place(untagged);
  code.append(if_ip(plain));
}

// Runs `program`; where it accepts `then` goes on, else what follows here.
void if_accepted(BpfCode& code, Program program, const Program& then) {
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (program[i].code != (BPF_RET | BPF_K)) continue;
    const std::size_t over = program[i].k == 0 ? then.size() : 0;
    const std::size_t distance = program.size() - i - 1 + over;
    program[i] = {BPF_JMP | BPF_JA, 0, 0, static_cast<std::uint32_t>(distance)};
  }
  code.append(program);
  code.append(then);
}

// What is to be captured of tunnels; `narrowed_by` sees the outer packet.
void tunnel_filter(BpfCode& code, const CaptureFilter& filter, Access access) {
  BpfCode then;
  if (filter.narrowed_by.empty()) {
    then.add(BPF_RET | BPF_K, kSnapLength);
  } else if (access == Access::network_layer) {
    network_layer_filter(then, filter.narrowed_by, false);
  } else {
    then.append(compile(DLT_EN10MB, behind_tags_too(filter.narrowed_by)));
  }
  if_accepted(code, tunnel_program(filter, access), then.finish());
}

constexpr std::uint32_t kEthernetHeader = 14;

// The verdict on a TCP segment: whether it carries data decides, unless it has SYN, RST or FIN.
// `headers_and_data` leaves their length in the accumulator; `without_data` is that of the IP header.
template <class Load>
void judge_segment(BpfCode& code, std::uint32_t flags_at, std::uint32_t without_data,
                   Load&& headers_and_data) {
  const auto accept = code.new_label();
  code.add(BPF_LD | BPF_H | BPF_ABS, flags_at);
  code.if_any_bit(TH_SYN | TH_RST | TH_FIN, accept);
  code.add(BPF_ALU | BPF_AND | BPF_K, 0xf000);
  code.add(BPF_ALU | BPF_RSH | BPF_K, 10);
  code.add(BPF_MISC | BPF_TAX);
  headers_and_data();
  code.add(BPF_ALU | BPF_SUB | BPF_X);
  code.if_equal(without_data, accept);
  code.add(BPF_RET | BPF_K, 0);
  code.place(accept);
  code.add(BPF_RET | BPF_K, kSnapLength);
}

// Nearly all packets of a host are TCP segments behind plain Ethernet and IP headers. For these, this
// gives the same verdict as the terms below, with three or four loads instead of seven: each load is a
// call in the kernel, and all data segments pass here. Others go on.
void judge_plain_segments(BpfCode& code) {
  constexpr std::uint32_t kTcp = 6;
  constexpr std::uint32_t kDontFragment = 0x4000, kReserved = 0x8000;
  const auto not_v4 = code.new_label();
  const auto not_plain = code.new_label();

  code.add(BPF_LD | BPF_W | BPF_ABS, 12);  // ethertype, version, header length, service
  code.add(BPF_ALU | BPF_RSH | BPF_K, 8);
  code.unless_equal(ETH_P_IP << 8 | 0x45, not_v4);
  code.add(BPF_LD | BPF_W | BPF_ABS, kEthernetHeader + 6);  // fragment, time to live, protocol
  code.add(BPF_ALU | BPF_AND | BPF_K, ~((kDontFragment | kReserved) << 16 | 0xff00U));
  code.unless_equal(kTcp, not_plain);
  judge_segment(code, kEthernetHeader + 20 + 12, 20,
                [&] { code.add(BPF_LD | BPF_H | BPF_ABS, kEthernetHeader + 2); });

  code.place(not_v4);
  code.add(BPF_ALU | BPF_RSH | BPF_K, 4);
  code.unless_equal(ETH_P_IPV6 << 4 | 6, not_plain);
  code.add(BPF_LD | BPF_W | BPF_ABS, kEthernetHeader + 4);  // payload length, next header, hops
  code.add(BPF_ST, 0);
  code.add(BPF_ALU | BPF_AND | BPF_K, 0xff00);
  code.unless_equal(kTcp << 8, not_plain);
  judge_segment(code, kEthernetHeader + 40 + 12, 0, [&] {
    code.add(BPF_LD | BPF_MEM, 0);
    code.add(BPF_ALU | BPF_RSH | BPF_K, 16);
  });
  code.place(not_plain);
}

// Each data packet of the host runs through the filter, so it should reject them early. Testing the
// ethertype once, instead of once for each term as libpcap would, halves what is executed. Behind a third
// tag it does not look: such frames pass, as there are hardly any.
void ethernet_filter(BpfCode& code, const CaptureFilter& filter) {
  constexpr std::uint32_t kTypeAt = 12;
  constexpr std::uint32_t kTag = 4;
  constexpr std::uint32_t kMostTags = 2;
  const CaptureTerms terms = capture_terms(filter);
  const Program v4 = compile(DLT_RAW, terms.v4);
  const Program v6 = compile(DLT_RAW, terms.v6);
  if (filter.scope == CaptureScope::handshake) judge_plain_segments(code);
  tunnel_filter(code, filter, Access::link_layer);
  for (std::uint32_t tags = 0; tags <= kMostTags; ++tags) {
    const auto is_v4 = code.new_label();
    const auto is_v6 = code.new_label();
    const auto tagged = code.new_label();
    code.add(BPF_LD | BPF_H | BPF_ABS, kTypeAt + tags * kTag);
    code.if_equal(ETH_P_IP, is_v4);
    code.if_equal(ETH_P_IPV6, is_v6);
    for (const std::uint32_t type : kTagTypes) code.if_equal(type, tagged);
    code.add(BPF_RET | BPF_K, 0);
    code.place(is_v4);
    code.append(moved(v4, kEthernetHeader + tags * kTag));
    code.place(is_v6);
    code.append(moved(v6, kEthernetHeader + tags * kTag));
    code.place(tagged);
  }
  code.add(BPF_RET | BPF_K, kSnapLength);
}

// As libpcap's scanner splits it: names and numbers may have these in them, and a backslash makes a name of a
// keyword.
bool has_word(std::string_view expression, std::string_view word) {
  constexpr std::string_view kOfWords =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:\\";
  while (!expression.empty()) {
    expression.remove_prefix(std::min(expression.find_first_of(kOfWords), expression.size()));
    const std::size_t end = std::min(expression.find_first_not_of(kOfWords), expression.size());
    if (expression.substr(0, end) == word) return true;
    expression.remove_prefix(end);
  }
  return false;
}

}  // namespace

std::vector<sock_filter> reject_all() {
  return {{BPF_RET | BPF_K, 0, 0, 0}};
}

std::vector<sock_filter> capture_program(const CaptureFilter& filter, Access access,
                                         std::uint32_t loopback_index) {
  if (has_word(filter.narrowed_by, "vlan")) {
    throw FilterNotLive("vlan cannot match live, as the kernel takes the tag out before");
  }
  // By itself first: an expression like "1) or (2" must not pass because of our parentheses.
  const int link_type = access == Access::link_layer ? DLT_EN10MB : DLT_RAW;
  if (!filter.narrowed_by.empty()) static_cast<void>(compile(link_type, filter.narrowed_by));
  BpfCode code;
  reject_leaving_loopback(code, access, loopback_index);
  if (access == Access::network_layer) {
    tunnel_filter(code, filter, access);
    network_layer_filter(code, capture_expression(filter), filter.narrowed_by.empty());
  } else if (filter.narrowed_by.empty()) {
    ethernet_filter(code, filter);
  } else {
    // The user's terms may test the link layer: libpcap compiles the whole.
    tunnel_filter(code, filter, access);
    code.append(compile(DLT_EN10MB, behind_tags_too(capture_expression(filter))));
  }
  std::vector<sock_filter> program = code.finish();
  if (program.size() > BPF_MAXINSNS) {
    throw FilterSyntaxError("the expression is too long: it needs " +
                            std::to_string(program.size()) + " instructions, the kernel takes " +
                            std::to_string(BPF_MAXINSNS));
  }
  return program;
}

}  // namespace tcpeek::ring
