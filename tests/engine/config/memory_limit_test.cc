// Memory that may be used, read from small trees of the files that the kernel would show.
#include "engine/config/memory_limit.h"

#include <gtest/gtest.h>
#include <sys/sysinfo.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace tcpeek::engine {
namespace {

constexpr std::uint64_t kKib = 1024;
constexpr std::uint64_t kMib = kKib * kKib;

class MachineMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "memoryXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    write("/proc/meminfo",
          "MemTotal:        4096000 kB\nMemFree:          100000 kB\n"
          "MemAvailable:    2048000 kB\nBuffers:           1 kB\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file(root_ + path);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  // A group of version 2.
  void group(const std::string& path, const std::string& limit, std::uint64_t usage_mib,
             std::uint64_t inactive_mib) const {
    const std::string folder = "/sys/fs/cgroup" + path;
    write(folder + "/memory.max", limit + "\n");
    write(folder + "/memory.current", std::to_string(usage_mib * kMib) + "\n");
    write(folder + "/memory.stat", "anon 1\ninactive_anon 7\nactive_file 9\ninactive_file " +
                                       std::to_string(inactive_mib * kMib) + "\n");
  }
  [[nodiscard]] MachineMemory read() const { return read_machine_memory(root_); }

  std::string root_;
};

TEST_F(MachineMemoryTest, IsTheMachinesWithoutGroups) {
  EXPECT_EQ(read().total, 4096000 * kKib);
  EXPECT_EQ(read().available, 2048000 * kKib);
  EXPECT_FALSE(read().grouped);
  write("/proc/self/cgroup", "0::/\n");
  EXPECT_EQ(read().total, 4096000 * kKib) << "the root group has no limit";
}

TEST_F(MachineMemoryTest, AGroupLimitsIt) {
  write("/proc/self/cgroup", "0::/system.slice/tcpeek.service\n");
  group("/system.slice/tcpeek.service", std::to_string(500 * kMib), 120, 20);
  EXPECT_EQ(read().total, 500 * kMib);
  EXPECT_EQ(read().available, 400 * kMib) << "unused page cache counts as available";
  EXPECT_TRUE(read().grouped);
}

TEST_F(MachineMemoryTest, AnyGroupAboveLimitsItToo) {
  write("/proc/self/cgroup", "0::/a/b/c\n");
  group("/a/b/c", "max", 10, 0);
  group("/a/b", std::to_string(900 * kMib), 100, 0);
  group("/a", std::to_string(600 * kMib), 590, 0);
  EXPECT_EQ(read().total, 600 * kMib);
  EXPECT_EQ(read().available, 10 * kMib);
}

TEST_F(MachineMemoryTest, AFullGroupLeavesNothing) {
  write("/proc/self/cgroup", "0::/a\n");
  group("/a", std::to_string(100 * kMib), 130, 10);
  EXPECT_EQ(read().available, 0U);
}

TEST_F(MachineMemoryTest, ThrottlingLimitsAsWell) {
  write("/proc/self/cgroup", "0::/a\n");
  group("/a", "max", 0, 0);
  write("/sys/fs/cgroup/a/memory.high", std::to_string(300 * kMib));
  EXPECT_EQ(read().total, 300 * kMib);
}

TEST_F(MachineMemoryTest, ALimitAboveTheMachinesIsNone) {
  write("/proc/self/cgroup", "0::/a\n");
  group("/a", std::to_string(std::uint64_t{1} << 40), 0, 0);
  EXPECT_EQ(read().total, 4096000 * kKib);
  EXPECT_EQ(read().available, 2048000 * kKib);
  EXPECT_FALSE(read().grouped);
}

TEST_F(MachineMemoryTest, AGroupWithMoreRoomThanTheMachineHasLeft) {
  write("/proc/self/cgroup", "0::/a\n");
  group("/a", std::to_string(3000 * kMib), 0, 0);
  EXPECT_EQ(read().total, 3000 * kMib);
  EXPECT_EQ(read().available, 2048000 * kKib);
  EXPECT_FALSE(read().grouped);
}

TEST_F(MachineMemoryTest, Version1) {
  write("/proc/self/cgroup", "12:cpu,cpuacct:/x\n4:memory:/docker/0123\n1:name=systemd:/y\n0::/\n");
  const std::string folder = "/sys/fs/cgroup/memory/docker/0123";
  write(folder + "/memory.limit_in_bytes", std::to_string(700 * kMib));
  write(folder + "/memory.usage_in_bytes", std::to_string(300 * kMib));
  write(folder + "/memory.stat",
        "inactive_file 5\ntotal_inactive_file " + std::to_string(50 * kMib) + "\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(read().total, 700 * kMib);
  EXPECT_EQ(read().available, 450 * kMib);
}

// A container sees its own group as the root of the mount, not under the path in /proc/self/cgroup.
TEST_F(MachineMemoryTest, AContainerThatSeesItsGroupAlone) {
  group("", std::to_string(200 * kMib), 50, 0);
  for (const char* path : {"/docker/abc", "/", "/../../other", "/a/../b"}) {
    write("/proc/self/cgroup", std::string("0::") + path + "\n");
    EXPECT_EQ(read().total, 200 * kMib) << path;
  }
}

TEST_F(MachineMemoryTest, NonsenseLimitsNothing) {
  for (const char* text : {"", "0::", "x", "::", "0:memory", "0::/a\n\n:\n"}) {
    write("/proc/self/cgroup", text);
    write("/sys/fs/cgroup/a/memory.max", "many\n");
    EXPECT_EQ(read().total, 4096000 * kKib) << text;
  }
}

// ProcSubset=pid in a unit.
TEST_F(MachineMemoryTest, WithoutMeminfoTheTotalIsStillKnown) {
  std::filesystem::remove(root_ + "/proc/meminfo");
  struct sysinfo info {};
  ASSERT_EQ(::sysinfo(&info), 0);
  EXPECT_EQ(read().total, std::uint64_t{info.totalram} * info.mem_unit);
  EXPECT_EQ(read().available, read().total);
}

TEST(ThisMachinesMemoryTest, IsRead) {
  const MachineMemory memory = read_machine_memory();
  EXPECT_GT(memory.available, 16 * kMib);
  EXPECT_LE(memory.available, memory.total);
  EXPECT_LT(memory.total, std::uint64_t{1} << 50);
}

}  // namespace
}  // namespace tcpeek::engine
