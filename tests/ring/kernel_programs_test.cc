// The running kernel accepts the programs we make for it. Attached to a UDP socket, which needs no
// privilege and passes the same checks.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "ring/capture_program.h"
#include "ring/descriptor.h"
#include "ring/steering.h"

namespace tcpeek::ring {
namespace {

testing::AssertionResult kernel_accepts(const std::vector<sock_filter>& program) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return testing::AssertionFailure() << "socket: " << std::strerror(errno);
  const sock_fprog f{static_cast<unsigned short>(program.size()),
                     const_cast<sock_filter*>(program.data())};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f) == 0) {
    return testing::AssertionSuccess() << program.size() << " instructions";
  }
  return testing::AssertionFailure() << std::strerror(errno) << ", " << program.size();
}

TEST(KernelProgramsTest, AProgramWithoutEndIsRefusedSoThisTestsSomething) {
  EXPECT_FALSE(kernel_accepts({{BPF_LD | BPF_IMM, 0, 0, 1}}));
}

TEST(KernelProgramsTest, CaptureFiltersAreAccepted) {
  for (const Access access : {Access::link_layer, Access::network_layer}) {
    for (const CaptureScope scope : {CaptureScope::handshake, CaptureScope::tcp}) {
      for (const bool icmp : {false, true}) {
        for (const char* narrowed_by : {"", "port 80 or net 10.0.0.0/8", "ip6 or udp or tcp"}) {
          for (const std::uint32_t loopback : {0U, 1U}) {
            const CaptureFilter filter{scope, icmp, narrowed_by};
            EXPECT_TRUE(kernel_accepts(capture_program(filter, access, loopback)));
          }
        }
      }
    }
  }
  EXPECT_TRUE(kernel_accepts(reject_all()));
}

TEST(KernelProgramsTest, SteeringIsAcceptedWithAnyKey) {
  for (const std::uint32_t word : {0U, 1U, 0x80000000U, 0xffffffffU}) {
    EXPECT_TRUE(kernel_accepts(steering_program(SteeringKey::from({word, word, word, word}))));
  }
}

}  // namespace
}  // namespace tcpeek::ring
