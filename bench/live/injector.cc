// tcpeek-inject: injects TCP packets into an interface's receive path, as fast as one core can, and
// reports on one line of JSON exactly what it injected. The packets are those of pattern.h; they enter as
// XDP live frames, or if the kernel has none, by sendmmsg from the other end of a veth pair.
//
// For test beds only: use it on a veth of a network namespace, not on a real link.
#include <net/if.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "bench/live/cpu_pin.h"
#include "bench/live/packet_sender.h"
#include "bench/live/pattern.h"
#include "bench/live/xdp_program.h"

namespace tcpeek::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Live frames cost tens of milliseconds of set-up and tear-down per call, so a full load is cut into a
// few large chunks, and a load with a limited rate comes in bursts. Multiples of three, so that a load
// limited by time still ends with a complete handshake.
constexpr std::uint32_t kFirstChunkPackets = 98'304;
constexpr std::uint32_t kChunkUnit = 48;
constexpr std::uint32_t kMaxChunkUnits = 65'536;
constexpr std::uint32_t kMaxChunkPackets = kMaxChunkUnits * kChunkUnit;
constexpr double kBurstsPerSecond = 10;

const std::map<std::string, Load> kLoads{{"handshakes", Load::handshakes},
                                         {"handshakes-rtt", Load::spaced},
                                         {"syn-flood", Load::syn_flood},
                                         {"data", Load::data},
                                         {"acks", Load::acks},
                                         {"mixed", Load::mixed}};

struct Options {
  std::string interface;
  std::string fallback;  // the peer to send from; empty: no fallback
  std::string method = "auto";
  std::string load = "handshakes";
  bool ipv6 = false;
  double seconds = 3;
  std::uint64_t count = 0;  // packets; 0: until the time is over
  double rate = 0;          // packets per second; 0: as fast as can be
  std::uint32_t period = kDefaultPeriod;
  int cpu = -1;
};

// Puts packets first .. first + packets - 1 into the receive path; throws if it cannot inject all.
using Inject = std::function<void(std::uint64_t first, std::uint32_t packets)>;

struct Injected {
  std::uint64_t packets = 0;
  Seconds time{0};
  Seconds cpu{0};  // this process's, in which live frames are received too
};

Seconds cpu_time() {
  timespec now{};
  checked(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), "clock_gettime");
  return Seconds(static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec));
}

unsigned interface_index(const std::string& name) {
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) throw_errno("interface " + name);
  return index;
}

// The program and the plain arithmetic must make the same frames, at the start and much later.
void check_program(XdpProgram& program, Load load, bool ipv6, std::uint32_t period) {
  const Layout layout = ipv6 ? kIpv6Layout : kIpv4Layout;
  const std::uint64_t first_completed = kGenuineLag * period;
  const std::array<std::uint64_t, 6> starts{0,
                                            3'000'000,
                                            (1ULL << 24) * 3 - 6,
                                            (1ULL << 32) - 6,
                                            first_completed - 6,
                                            first_completed * 40};
  for (const std::uint64_t start : starts) {
    program.set_next(start);
    for (std::uint64_t n = start; n < start + 12; ++n) {
      std::vector<std::byte> expected = frame_template(load, ipv6);
      write_fields(fields_of(load, n, period), layout, expected);
      if (program.run_dry() != expected)
        throw std::runtime_error("the XDP program made another packet " + std::to_string(n) +
                                 " than the pattern");
    }
  }
  program.set_next(0);
}

Inject live_frames(const Options& options, Load load) {
  auto program = std::make_shared<XdpProgram>(load, options.ipv6, options.period);
  check_program(*program, load, options.ipv6, options.period);
  const unsigned index = interface_index(options.interface);
  program->try_live(index);
  return [program, index](std::uint64_t first, std::uint32_t packets) {
    if (program->next() != first) throw std::logic_error("packet numbers are not contiguous");
    program->run_live(index, packets);
  };
}

Inject send_from_peer(const Options& options, Load load) {
  auto sender = std::make_shared<PacketSender>(load, options.ipv6, options.period,
                                               interface_index(options.fallback));
  return [sender](std::uint64_t first, std::uint32_t packets) { sender->send(first, packets); };
}

// Sets `method` to the one that works here.
Inject choose(Options& options, Load load) {
  if (options.method != "sendmmsg") {
    try {
      Inject inject = live_frames(options, load);
      options.method = "live-frames";
      return inject;
    } catch (const std::system_error& error) {
      if (options.method != "auto" || options.fallback.empty()) throw;
      std::fprintf(stderr, "tcpeek-inject: no live frames (%s): sending from %s instead\n",
                   error.what(), options.fallback.c_str());
    }
  }
  options.method = "sendmmsg";
  return send_from_peer(options, load);
}

std::uint32_t next_chunk(const Options& options, const Injected& so_far) {
  if (options.rate <= 0 && so_far.packets == 0) return kFirstChunkPackets;
  const double speed = static_cast<double>(so_far.packets) / so_far.time.count();
  const double wanted = options.rate > 0 ? options.rate / kBurstsPerSecond
                                         : speed * (options.seconds - so_far.time.count());
  const double units = std::clamp<double>(wanted / kChunkUnit, 1, kMaxChunkUnits);
  return static_cast<std::uint32_t>(units) * kChunkUnit;
}

bool finished(const Options& options, const Injected& so_far) {
  return options.count > 0 ? so_far.packets >= options.count
                           : so_far.time.count() >= options.seconds;
}

Injected run(const Options& options, const Inject& inject) {
  const Clock::time_point start = Clock::now();
  const Seconds cpu_before = cpu_time();
  Injected injected;
  while (!finished(options, injected)) {
    const std::uint64_t left =
        options.count > 0 ? options.count - injected.packets : kMaxChunkPackets;
    const std::uint64_t chunk =
        options.count > 0 && options.rate <= 0 ? kMaxChunkPackets : next_chunk(options, injected);
    const auto packets = static_cast<std::uint32_t>(std::min(chunk, left));
    inject(injected.packets, packets);
    injected.packets += packets;
    if (options.rate > 0) {
      const Seconds due(static_cast<double>(injected.packets) / options.rate);
      std::this_thread::sleep_until(start + std::chrono::duration_cast<Clock::duration>(due));
    }
    injected.time = Clock::now() - start;
  }
  injected.cpu = cpu_time() - cpu_before;
  return injected;
}

void print(const Options& options, Load load, const Injected& injected) {
  const double seconds = injected.time.count();
  const Contents contents = contents_of(load, injected.packets, options.period);
  std::printf(
      "{\"method\":\"%s\",\"load\":\"%s\",\"ipv6\":%s,\"frame_bytes\":%zu,\"packets\":%llu,"
      "\"attempts\":%llu,\"completed\":%llu,\"genuine\":%llu,"
      "\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"packets_per_second\":%.0f}\n",
      options.method.c_str(), options.load.c_str(), options.ipv6 ? "true" : "false",
      frame_template(load, options.ipv6).size(), static_cast<unsigned long long>(injected.packets),
      static_cast<unsigned long long>(contents.attempts),
      static_cast<unsigned long long>(contents.completed),
      static_cast<unsigned long long>(contents.genuine), seconds, injected.cpu.count(),
      static_cast<double>(injected.packets) / seconds);
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("-i,--interface", options.interface,
                 "Interface whose receive path gets the packets")
      ->required();
  app.add_option("--fallback-from", options.fallback,
                 "The interface's veth peer, to send from if there are no live frames");
  app.add_option("--method", options.method, "auto, live-frames or sendmmsg")
      ->check(CLI::IsMember({"auto", "live-frames", "sendmmsg"}));
  app.add_option("--load", options.load,
                 "handshakes, handshakes-rtt, syn-flood, data, acks or mixed")
      ->check(CLI::IsMember(kLoads));
  app.add_flag("--ipv6", options.ipv6, "IPv6 packets");
  app.add_option("--seconds", options.seconds, "How long, roughly")->check(CLI::Range(0.01, 600.0));
  app.add_option("--count", options.count, "How many packets, exactly, instead of --seconds")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32));
  app.add_option("--rate", options.rate, "At most this many packets per second, in ten bursts")
      ->check(CLI::Range(1.0, 1e9));
  app.add_option("--period", options.period, "Packets of a mixed load for one genuine handshake")
      ->check(CLI::Range(kMinPeriod, std::uint32_t{1} << 30));
  app.add_option("--cpu", options.cpu, "Pin to this CPU")->check(CLI::Range(0, CPU_SETSIZE - 1));
}

int inject_main(int argc, char** argv) {
  Options options;
  CLI::App app("Puts a known load of TCP packets into an interface's receive path");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  const Load load = kLoads.at(options.load);
  const bool complete = load == Load::handshakes || load == Load::spaced;
  if (complete && options.count % kPacketsPerHandshake != 0) {
    std::fprintf(stderr, "tcpeek-inject: --count %llu: complete handshakes need a multiple of 3\n",
                 static_cast<unsigned long long>(options.count));
    return 2;
  }
  if (options.cpu >= 0) pin_to_cpu(static_cast<unsigned>(options.cpu));
  const Inject inject = choose(options, load);
  print(options, load, run(options, inject));
  return 0;
}

}  // namespace
}  // namespace tcpeek::bench

int main(int argc, char** argv) {
  try {
    return tcpeek::bench::inject_main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tcpeek-inject: %s\n", error.what());
    return 1;
  }
}
