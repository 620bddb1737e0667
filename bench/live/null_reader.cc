// tcpeek-null-reader: the yardstick. The least a TPACKET_V3 reader can do: wait for a block, walk
// its packets, read each one's headers, give the block back. Every monitor has to pay this cost; what it
// costs beyond that is its own work. It shares no code with tcpeek, on purpose.
//
// Ends on SIGTERM or SIGINT with one line of JSON: what the kernel counted, what was read, CPU
// time.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>

#include "bench/live/cpu_pin.h"
#include "bench/live/descriptor.h"

namespace tcpeek::bench {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;
constexpr unsigned kFrameBytes = 2048;  // only a bound on a packet's size in version 3
constexpr unsigned kLeastBytes = 60;    // the shortest Ethernet frame

// What a handshake monitor has to see: SYN, RST, ACK without payload, unreachable. libpcap's tcp[]
// matches IPv4 only, so IPv6 is written out.
constexpr const char* kHandshakeFilter =
    "(tcp and ip and (tcp[13] & 6 != 0 or"
    " (tcp[13] & 16 != 0 and ip[2:2] - ((ip[0] & 15) << 2) = (tcp[12] & 240) >> 2))) or"
    " icmp[0] = 3 or (ip6 and ip6[6] = 58 and ip6[40] = 1) or"
    " (ip6 and ip6[6] = 6 and (ip6[53] & 6 != 0 or"
    " (ip6[53] & 16 != 0 and ip6[4:2] = (ip6[52] & 240) >> 2)))";

struct Options {
  std::string interface;
  std::string filter = "handshake";
  std::string expression;
  unsigned ring_mebibytes = 64;
  unsigned block_kibibytes = 1024;
  unsigned retire_ms = 10;
  int snap_bytes = 256;
  int cpu = -1;
};

class Mapping {
 public:
  Mapping(int fd, std::size_t bytes)
      : start_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), bytes_(bytes) {
    if (start_ == MAP_FAILED) throw_errno("mmap of the ring");
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(start_, bytes_); }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept {
    return {static_cast<std::byte*>(start_), bytes_};
  }

 private:
  void* start_;
  std::size_t bytes_;
};

void set_option(int fd, int level, int name, const void* value, std::size_t bytes,
                const char* what) {
  checked(::setsockopt(fd, level, name, value, static_cast<socklen_t>(bytes)), what);
}

void attach(int fd, std::span<const sock_filter> program) {
  // The kernel only reads the instructions; its structure has no const.
  sock_fprog attached{static_cast<unsigned short>(program.size()),
                      const_cast<sock_filter*>(program.data())};
  set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached,
             "setsockopt(SO_ATTACH_FILTER)");
}

void attach_expression(int fd, const std::string& expression, int snap_bytes) {
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> pcap(pcap_open_dead(DLT_EN10MB, snap_bytes),
                                                            &pcap_close);
  bpf_program compiled{};
  if (pcap_compile(pcap.get(), &compiled, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
    throw std::runtime_error("filter " + expression + ": " + pcap_geterr(pcap.get()));
  const std::unique_ptr<bpf_program, decltype(&pcap_freecode)> owner(&compiled, &pcap_freecode);
  static_assert(sizeof(bpf_insn) == sizeof(sock_filter));  // the same layout under two names
  attach(fd, {reinterpret_cast<const sock_filter*>(compiled.bf_insns), compiled.bf_len});
}

void attach_filter(int fd, const Options& options) {
  if (!options.expression.empty())
    return attach_expression(fd, options.expression, options.snap_bytes);
  if (options.filter == "handshake")
    return attach_expression(fd, kHandshakeFilter, options.snap_bytes);
  const auto accepted =
      options.filter == "all" ? static_cast<std::uint32_t>(options.snap_bytes) : 0U;
  const sock_filter whole = BPF_STMT(BPF_RET | BPF_K, accepted);
  attach(fd, {&whole, 1});
}

// Everything is set up while protocol 0 keeps packets out; bind() lets them in.
Descriptor open_socket(const Options& options) {
  Descriptor socket(checked(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket(AF_PACKET)"));
  const int version = TPACKET_V3;
  set_option(socket.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version,
             "setsockopt(PACKET_VERSION)");
  attach_filter(socket.get(), options);
  tpacket_req3 request{};
  request.tp_block_size = options.block_kibibytes * 1024;
  request.tp_block_nr =
      static_cast<unsigned>(options.ring_mebibytes * kMebibyte / request.tp_block_size);
  request.tp_frame_size = kFrameBytes;
  request.tp_frame_nr = request.tp_block_size / kFrameBytes * request.tp_block_nr;
  request.tp_retire_blk_tov = options.retire_ms;
  set_option(socket.get(), SOL_PACKET, PACKET_RX_RING, &request, sizeof request,
             "setsockopt(PACKET_RX_RING)");
  return socket;
}

void bind_to(const Descriptor& socket, const std::string& interface) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (address.sll_ifindex == 0) throw_errno("interface " + interface);
  checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind(AF_PACKET) to " + interface);
}

struct Read {
  std::uint64_t packets = 0;
  std::uint32_t headers = 0;  // a meaningless sum, so that the headers are really read
};

std::uint32_t word_at(const std::byte* at) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

void walk(const std::byte* block, const tpacket_hdr_v1& header, Read& read) noexcept {
  const std::byte* at = block + header.offset_to_first_pkt;
  for (std::uint32_t left = header.num_pkts; left > 0; --left) {
    tpacket3_hdr packet;
    std::memcpy(&packet, at, sizeof packet);
    const std::byte* network = at + packet.tp_net;
    // The source address and the ports of IPv4; for IPv6 whatever is there.
    if (packet.tp_snaplen >= kLeastBytes)
      read.headers += word_at(network + 12) ^ word_at(network + 20) ^ packet.tp_sec;
    at += packet.tp_next_offset;
  }
  read.packets += header.num_pkts;
}

class Loop {
 public:
  Loop(const Descriptor& socket, const Descriptor& signals, std::span<std::byte> ring,
       std::size_t block_bytes)
      : socket_(socket), signals_(signals), ring_(ring), block_bytes_(block_bytes) {}

  Read run() {
    Read read;
    for (std::size_t offset = 0; wait_for(offset);
         offset = (offset + block_bytes_) % ring_.size()) {
      auto& description = reinterpret_cast<tpacket_block_desc&>(ring_[offset]);
      walk(&ring_[offset], description.hdr.bh1, read);
      status(offset).store(TP_STATUS_KERNEL, std::memory_order_release);
    }
    return read;
  }

 private:
  std::atomic_ref<std::uint32_t> status(std::size_t offset) noexcept {
    return std::atomic_ref<std::uint32_t>(
        reinterpret_cast<tpacket_block_desc&>(ring_[offset]).hdr.bh1.block_status);
  }

  // False: a signal asked it to end.
  bool wait_for(std::size_t offset) {
    while ((status(offset).load(std::memory_order_acquire) & TP_STATUS_USER) == 0) {
      std::array<pollfd, 2> waiting{
          {{socket_.get(), POLLIN | POLLERR, 0}, {signals_.get(), POLLIN, 0}}};
      checked(::poll(waiting.data(), waiting.size(), -1), "poll");
      if (waiting[1].revents != 0) return false;
    }
    return true;
  }

  const Descriptor& socket_;
  const Descriptor& signals_;
  std::span<std::byte> ring_;
  std::size_t block_bytes_;
};

// Blocked before anything else, so that it always ends cleanly.
Descriptor termination_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  checked(::sigprocmask(SIG_BLOCK, &set, nullptr), "sigprocmask");
  return Descriptor(checked(::signalfd(-1, &set, SFD_CLOEXEC), "signalfd"));
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void print(const Descriptor& socket, const Read& read) {
  tpacket_stats_v3 stats{};
  socklen_t bytes = sizeof stats;
  checked(::getsockopt(socket.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &bytes),
          "getsockopt(PACKET_STATISTICS)");
  rusage usage{};
  checked(::getrusage(RUSAGE_SELF, &usage), "getrusage");
  std::printf(
      "{\"packets\":%u,\"drops\":%u,\"freezes\":%u,\"read\":%llu,\"user_seconds\":%.6f,"
      "\"system_seconds\":%.6f,\"headers_sum\":%u}\n",
      stats.tp_packets, stats.tp_drops, stats.tp_freeze_q_cnt,
      static_cast<unsigned long long>(read.packets), seconds(usage.ru_utime),
      seconds(usage.ru_stime), read.headers);
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("-i,--interface", options.interface, "Interface to read")->required();
  app.add_option("--filter", options.filter, "What the kernel lets through: handshake, all, none")
      ->check(CLI::IsMember({"handshake", "all", "none"}));
  app.add_option("--bpf", options.expression, "A libpcap expression instead of --filter");
  app.add_option("--ring-mib", options.ring_mebibytes, "Ring size")->check(CLI::Range(1, 2048));
  app.add_option("--block-kib", options.block_kibibytes, "Block size, a power of two")
      ->check(CLI::IsMember({64, 128, 256, 512, 1024}));
  app.add_option("--retire-ms", options.retire_ms,
                 "Time after which a block is handed over unfilled")
      ->check(CLI::Range(1, 1000));
  app.add_option("--snap", options.snap_bytes, "Bytes kept of a packet")
      ->check(CLI::Range(64, 65535));
  app.add_option("--cpu", options.cpu, "Pin to this CPU")->check(CLI::Range(0, CPU_SETSIZE - 1));
}

int reader_main(int argc, char** argv) {
  Options options;
  CLI::App app("The least a TPACKET_V3 reader can do, as a yardstick");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  if (options.cpu >= 0) pin_to_cpu(static_cast<unsigned>(options.cpu));
  const Descriptor signals = termination_signals();
  const Descriptor socket = open_socket(options);
  const Mapping ring(socket.get(), options.ring_mebibytes * kMebibyte);
  bind_to(socket, options.interface);
  Loop loop(socket, signals, ring.bytes(), std::size_t{options.block_kibibytes} * 1024);
  print(socket, loop.run());
  return 0;
}

}  // namespace
}  // namespace tcpeek::bench

int main(int argc, char** argv) {
  try {
    return tcpeek::bench::reader_main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tcpeek-null-reader: %s\n", error.what());
    return 1;
  }
}
