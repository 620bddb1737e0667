// The eBPF instructions, assembled by hand with the few helpers below, and the bpf(2) calls. Such a small
// program needs neither a BPF compiler nor a library.
//
// Registers: r6 the frame, r7 and r8 scratch; the packet's fields in host order until the end: r2
// source, r3 destination, r4 and r5 the ports, r0 sequence, r1 acknowledgement, r9 flags.
#include "bench/live/xdp_program.h"

#include <linux/bpf.h>
#include <sys/syscall.h>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace tcpeek::bench {
namespace {

using Insn = bpf_insn;
using Program = std::vector<Insn>;
using Register = std::uint8_t;

constexpr std::uint32_t kLiveBatch = 256;  // the kernel's own bound
constexpr std::size_t kTooShort = 14;      // the kernel wants an Ethernet header at least
constexpr std::size_t kVerifierLogBytes = 1 << 16;

Insn insn(int code, Register dst, Register src, std::size_t offset, std::uint32_t imm) {
  Insn made{};
  made.code = static_cast<std::uint8_t>(code);
  made.dst_reg = dst & 0xF;
  made.src_reg = src & 0xF;
  made.off = static_cast<std::int16_t>(offset);
  made.imm = static_cast<std::int32_t>(imm);
  return made;
}

// Names end in 32 where the operation is modulo 2^32.
Insn set(Register dst, std::uint32_t imm) {
  return insn(BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, imm);
}
Insn copy(Register dst, Register src) {
  return insn(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}
Insn op(int code, Register dst, std::uint32_t imm) {
  return insn(BPF_ALU64 | code | BPF_K, dst, 0, 0, imm);
}
Insn op32(int code, Register dst, std::uint32_t imm) {
  return insn(BPF_ALU | code | BPF_K, dst, 0, 0, imm);
}
Insn op32_register(int code, Register dst, Register src) {
  return insn(BPF_ALU | code | BPF_X, dst, src, 0, 0);
}
Insn load(int size, Register dst, Register from, std::size_t offset) {
  return insn(BPF_LDX | BPF_MEM | size, dst, from, offset, 0);
}
Insn store(int size, Register to, std::size_t offset, Register src) {
  return insn(BPF_STX | BPF_MEM | size, to, src, offset, 0);
}
Insn big_endian(Register dst, std::uint32_t bits) {
  return insn(BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, bits);
}
Insn exit_program() {
  return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void append(Program& program, const Program& more) {
  program.insert(program.end(), more.begin(), more.end());
}

// r6 = the frame, dropped if it is shorter than the headers; r8 = n, the counter's value before.
Program prologue(int counter_fd, const Layout& layout) {
  return {
      load(BPF_W, 6, 1, offsetof(xdp_md, data)),
      load(BPF_W, 7, 1, offsetof(xdp_md, data_end)),
      copy(2, 6),
      op(BPF_ADD, 2, static_cast<std::uint32_t>(layout.headers_end())),
      set(0, XDP_DROP),
      insn(BPF_JMP | BPF_JLE | BPF_X, 2, 7, 1, 0),
      exit_program(),
      insn(BPF_LD | BPF_DW | BPF_IMM, 2, BPF_PSEUDO_MAP_VALUE, 0,
           static_cast<std::uint32_t>(counter_fd)),
      insn(0, 0, 0, 0, 0),  // second half of the load: the value's offset in the map
      load(BPF_DW, 8, 2, 0),
      copy(0, 8),
      op(BPF_ADD, 0, 1),
      store(BPF_DW, 2, 0, 0),
      set(3, kResponderAddress),
      set(5, kResponderPort),
  };
}

// dst = the initiator port that `dst` numbers
Program initiator_port(const Initiators& from, Register dst) {
  return {op(BPF_AND, dst, from.port - 1U), op(BPF_OR, dst, from.port)};
}

// Packet r8 (SYN, SYN/ACK, ACK) of attempt r7.
Program handshake_fields(const Initiators& from) {
  const Program completing = {
      copy(1, 0),
      op32(BPF_NEG, 1, 0),  // ~isn + 1
      op32(BPF_ADD, 0, 1),
      set(9, kAck),
  };
  const Program answer = {
      copy(9, 1),          op32(BPF_SUB, 9, 1), copy(1, 0),
      copy(0, 9),                                            // from completing's numbers
      copy(7, 2),          copy(2, 3),          copy(3, 7),  // the other direction
      copy(7, 4),          copy(4, 5),          copy(5, 7),  //
      set(9, kSyn | kAck),
  };
  Program program = {
      copy(2, 7), op(BPF_AND, 2, from.mask()), op32(BPF_OR, 2, from.net),
      copy(4, 7), op(BPF_RSH, 4, from.bits),
  };
  append(program, initiator_port(from, 4));
  append(program,
         {copy(0, 7), op32(BPF_MUL, 0, kIsnFactor), set(1, 0), set(9, kSyn),
          insn(BPF_JMP | BPF_JEQ | BPF_K, 8, 0, completing.size() + 1 + answer.size(), 0)});
  append(program, completing);
  append(program, {insn(BPF_JMP | BPF_JEQ | BPF_K, 8, 0, answer.size(), 2)});
  append(program, answer);
  return program;
}

Program handshakes_fields() {
  Program program = {copy(7, 8), op(BPF_DIV, 7, kPacketsPerHandshake),
                     op(BPF_MOD, 8, kPacketsPerHandshake)};
  append(program, handshake_fields(kInitiators));
  return program;
}

Program spaced_fields() {
  Program program = {copy(7, 8),
                     op(BPF_DIV, 7, kPacketsPerHandshake),
                     op(BPF_MOD, 8, kPacketsPerHandshake),
                     copy(2, 8),
                     op(BPF_MUL, 2, kSpacedLag),
                     insn(BPF_ALU64 | BPF_SUB | BPF_X, 7, 2, 0, 0)};
  append(program, handshake_fields(kInitiators));
  return program;
}

Program flood_fields() {
  const Program fold = {copy(7, 2), op32(BPF_RSH, 7, kScatterShift), op32_register(BPF_XOR, 2, 7)};
  Program program = {copy(2, 8), op32(BPF_ADD, 2, 1), op32(BPF_MUL, 2, kIsnFactor)};
  append(program, fold);
  append(program, {op32(BPF_MUL, 2, kScatterFactor)});
  append(program, fold);
  append(program, {copy(4, 8)});
  append(program, initiator_port(kInitiators, 4));
  append(program, {copy(0, 8), op32(BPF_MUL, 0, kScatterFactor), set(1, 0), set(9, kSyn)});
  return program;
}

Program mixed_fields(std::uint32_t period) {
  const Program flood = flood_fields();
  Program genuine = handshake_fields(kGenuine);
  genuine.insert(genuine.begin(), copy(8, 2));
  genuine.push_back(insn(BPF_JMP | BPF_JA, 0, 0, flood.size(), 0));
  Program program = {
      copy(7, 8),
      op(BPF_DIV, 7, period),
      copy(2, 8),
      op(BPF_MOD, 2, period),
      insn(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 3 + genuine.size(), 2),
      insn(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 2, 2),
      insn(BPF_JMP | BPF_JLT | BPF_K, 7, 0, 1 + genuine.size(), kGenuineLag),
      op(BPF_SUB, 7, kGenuineLag),
  };
  append(program, genuine);
  append(program, flood);
  return program;
}

Program established_fields(Load load) {
  const Register moving = load == Load::acks ? 1 : 0;
  const Register resting = load == Load::acks ? 0 : 1;
  const std::uint32_t flags = load == Load::acks ? kAck : kAck | kPush;
  return {
      copy(2, 8),
      op(BPF_AND, 2, kFlowMask),
      op(BPF_OR, 2, kInitiators.net),
      set(4, kInitiators.port),
      copy(moving, 8),
      op(BPF_RSH, moving, kFlowBits),
      op32(BPF_MUL, moving, kSegmentBytes),
      set(resting, 1),
      set(9, flags),
  };
}

Program epilogue(const Layout& layout) {
  return {
      big_endian(2, 32),
      store(BPF_W, 6, layout.source, 2),
      big_endian(3, 32),
      store(BPF_W, 6, layout.destination, 3),
      big_endian(4, 16),
      store(BPF_H, 6, layout.tcp, 4),
      big_endian(5, 16),
      store(BPF_H, 6, layout.tcp + kTcpDestinationPort, 5),
      big_endian(0, 32),
      store(BPF_W, 6, layout.tcp + kTcpSequence, 0),
      big_endian(1, 32),
      store(BPF_W, 6, layout.tcp + kTcpAcknowledgement, 1),
      store(BPF_B, 6, layout.tcp + kTcpFlags, 9),
      set(0, XDP_PASS),
      exit_program(),
  };
}

Program assemble(Load load, const Layout& layout, std::uint32_t period, int counter_fd) {
  Program program = prologue(counter_fd, layout);
  if (load == Load::handshakes)
    append(program, handshakes_fields());
  else if (load == Load::spaced)
    append(program, spaced_fields());
  else if (load == Load::syn_flood)
    append(program, flood_fields());
  else if (load == Load::mixed)
    append(program, mixed_fields(period));
  else
    append(program, established_fields(load));
  append(program, epilogue(layout));
  return program;
}

int bpf(bpf_cmd command, bpf_attr& attributes, const std::string& what) {
  return checked(static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes)),
                 "bpf: " + what);
}

template <typename T>
std::uint64_t address(T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

Descriptor make_counter() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = sizeof(std::uint32_t);
  attributes.value_size = sizeof(std::uint64_t);
  attributes.max_entries = 1;
  return Descriptor(bpf(BPF_MAP_CREATE, attributes, "making the counter's map"));
}

Descriptor load_program(const Program& program) {
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_XDP;
  attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
  attributes.insns = address(program.data());
  attributes.license = address("MIT");
  const int fd =
      static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
  if (fd >= 0) return Descriptor(fd);
  if (errno == EPERM) throw_errno("bpf: loading the XDP program");

  // Only a rejected program is tried again, to get the verifier's reason.
  std::string log(kVerifierLogBytes, '\0');
  attributes.log_level = 1;
  attributes.log_size = static_cast<std::uint32_t>(log.size());
  attributes.log_buf = address(log.data());
  return Descriptor(bpf(BPF_PROG_LOAD, attributes, "loading the XDP program: " + log));
}

}  // namespace

XdpProgram::XdpProgram(Load load, bool ipv6, std::uint32_t period)
    : frame_(frame_template(load, ipv6)),
      counter_(make_counter()),
      program_(
          load_program(assemble(load, ipv6 ? kIpv6Layout : kIpv4Layout, period, counter_.get()))) {}

void XdpProgram::set_next(std::uint64_t n) {
  std::uint32_t key = 0;
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(counter_.get());
  attributes.key = address(&key);
  attributes.value = address(&n);
  bpf(BPF_MAP_UPDATE_ELEM, attributes, "setting the counter");
}

std::uint64_t XdpProgram::next() const {
  std::uint32_t key = 0;
  std::uint64_t n = 0;
  bpf_attr attributes{};
  attributes.map_fd = static_cast<std::uint32_t>(counter_.get());
  attributes.key = address(&key);
  attributes.value = address(&n);
  bpf(BPF_MAP_LOOKUP_ELEM, attributes, "reading the counter");
  return n;
}

std::vector<std::byte> XdpProgram::run_dry() const {
  std::vector<std::byte> made(frame_.size());
  bpf_attr attributes{};
  attributes.test.prog_fd = static_cast<std::uint32_t>(program_.get());
  attributes.test.data_in = address(frame_.data());
  attributes.test.data_size_in = static_cast<std::uint32_t>(frame_.size());
  attributes.test.data_out = address(made.data());
  attributes.test.data_size_out = static_cast<std::uint32_t>(made.size());
  attributes.test.repeat = 1;
  bpf(BPF_PROG_TEST_RUN, attributes, "running the XDP program");
  return made;
}

void XdpProgram::try_live(unsigned interface_index) {
  run_live(interface_index, 1, kTooShort);
}

void XdpProgram::run_live(unsigned interface_index, std::uint32_t packets) {
  const std::uint64_t before = next();
  run_live(interface_index, packets, frame_.size());
  const std::uint64_t made = next() - before;
  if (made != packets)
    throw std::runtime_error("the kernel made " + std::to_string(made) + " frames of " +
                             std::to_string(packets));
}

void XdpProgram::run_live(unsigned interface_index, std::uint32_t packets, std::size_t bytes) {
  xdp_md context{};
  context.data_end = static_cast<std::uint32_t>(bytes);
  context.ingress_ifindex = interface_index;
  bpf_attr attributes{};
  attributes.test.prog_fd = static_cast<std::uint32_t>(program_.get());
  attributes.test.data_in = address(frame_.data());
  attributes.test.data_size_in = static_cast<std::uint32_t>(bytes);
  attributes.test.ctx_in = address(&context);
  attributes.test.ctx_size_in = sizeof context;
  attributes.test.repeat = packets;
  attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  attributes.test.batch_size = kLiveBatch;
  bpf(BPF_PROG_TEST_RUN, attributes, "running the XDP program on live frames");
}

}  // namespace tcpeek::bench
