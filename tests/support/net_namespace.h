// A network of one test's own: a namespace with a pair of veth devices, gone when the test ends.
//
//   tp0 02:00:00:00:00:01  ====  02:00:00:00:00:02 tp1
//
// Both are up and silent: no addresses, no IPv6 link-local ones either, so nothing is on the wire
// that the test did not send. Only the test's thread enters the namespace; it leaves it in
// TearDown(). Needs CAP_SYS_ADMIN and CAP_NET_ADMIN: without them the test is skipped, loudly, or
// fails if TCPEEK_REQUIRE_LIVE is 1.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "ring/descriptor.h"

namespace tcpeek::test {

// Far longer than anything here takes, also under a sanitizer on a busy machine.
inline constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(60);

template <class Condition>
[[nodiscard]] bool eventually(Condition&& condition, std::chrono::milliseconds within = kPatience) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Runs a command in the thread's namespace. Throws with what it printed if it fails.
inline std::string run(const std::string& command) {
  FILE* const pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) ring::throw_errno("popen " + command);
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), n);
  }
  if (::pclose(pipe) != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

inline std::string ip(const std::string& arguments) {
  return run("ip " + arguments);
}

inline std::uint32_t index_of(const std::string& interface) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0) ring::throw_errno("if_nametoindex " + interface);
  return index;
}

inline unsigned flags_of(const std::string& interface) {
  const ring::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0)
    ring::throw_errno("flags of " + interface);
  return static_cast<unsigned short>(request.ifr_flags);
}

// Brings interfaces up and waits until they carry packets.
inline void bring_up(std::initializer_list<const char*> interfaces) {
  for (const char* name : interfaces) ip(std::string("link set ") + name + " up");
  for (const char* name : interfaces) {
    if (!eventually([&] { return (flags_of(name) & IFF_RUNNING) != 0; })) {
      throw std::runtime_error(std::string(name) + " does not come up");
    }
  }
  // The kernel activates the queue of a device under the lock that this waits for.
  for (const char* name : interfaces) ip(std::string("link set ") + name + " up");
}

class LiveTest : public testing::Test {
 protected:
  void SetUp() override {
    home_ = ring::Descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (home_.get() < 0 || ::unshare(CLONE_NEWNET) != 0) {
      return unavailable(std::string("no network namespace of our own: ") + std::strerror(errno));
    }
    inside_ = true;
    try {
      make_pair();
    } catch (const std::runtime_error& e) {
      return unavailable(e.what());
    }
  }

  // Also once more, after it was deleted.
  static void make_pair() {
    ip("link add tp0 address 02:00:00:00:00:01 type veth peer name tp1 "
       "address 02:00:00:00:00:02");
    ip("link set tp0 addrgenmode none");
    ip("link set tp1 addrgenmode none");
    bring_up({"tp0", "tp1"});
  }

  void TearDown() override {
    if (!inside_) return;
    ASSERT_EQ(::setns(home_.get(), CLONE_NEWNET), 0) << std::strerror(errno);
  }

 private:
  static void unavailable(const std::string& why) {
    const char* required = std::getenv("TCPEEK_REQUIRE_LIVE");
    if (required != nullptr && std::string_view(required) == "1") {
      FAIL() << why << " (TCPEEK_REQUIRE_LIVE=1)";
    }
    std::cerr << "*** LIVE TEST SKIPPED: " << why << " ***\n";
    GTEST_SKIP() << why;
  }

  ring::Descriptor home_;
  bool inside_ = false;
};

// Sends frames by an interface as they are. Nothing is received by it.
class FrameSender {
 public:
  explicit FrameSender(const std::string& interface)
      : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(index_of(interface));
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ring::throw_errno("sender on " + interface);
    }
  }

  void send(std::span<const std::byte> frame) const {
    const ssize_t sent = ::send(socket_.get(), frame.data(), frame.size(), 0);
    if (sent != static_cast<ssize_t>(frame.size())) ring::throw_errno("sending a frame");
  }

 private:
  ring::Descriptor socket_;
};

}  // namespace tcpeek::test
