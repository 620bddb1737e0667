// The listening path and users: who owns it, taking it over, missing permission.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "ipc/socket_path.h"
#include "tests/ipc/socket_path_support.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using testing::HasSubstr;
using Parent = SocketPath::Parent;

constexpr uid_t kNobody = 65534;

struct Owner {
  uid_t user = 0;
  gid_t group = 0;
  bool operator==(const Owner&) const = default;
};

Owner owner_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return {status.st_uid, status.st_gid};
}

// As with -u: the user it becomes can use the socket, and neither remove nor replace it.
TEST(SocketPath, OfAnotherUserOnlyTheGroupIsLetIn) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  const std::string path = dir / "made/x.sock";
  EXPECT_EQ(in_child([&] {
              SocketPath place = listen_at(path, Parent::make);
              place.allow_group(kNobody);
              if (owner_of(path) != Owner{0, kNobody} || mode_of(path) != 0660) return 1;
              if (owner_of(path + ".lock") != Owner{0, 0} || mode_of(path + ".lock") != 0600)
                return 2;
              if (owner_of(dir / "made") != Owner{0, 0} || mode_of(dir / "made") != 0755) return 3;
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 4;
              if (!answers(path)) return 5;
              if (::unlink(path.c_str()) == 0 || errno != EACCES) return 6;
              if (::rename((path + ".lock").c_str(), (path + ".x").c_str()) == 0) return 7;
              return 0;
            }),
            0);
  // What it could not remove at its end is a leftover like any other.
  EXPECT_TRUE(exists(path));
  const SocketPath next = listen_at(path, Parent::make);
  EXPECT_TRUE(answers(path));
  EXPECT_EQ(owner_of(path), (Owner{0, 0}));
}

TEST(SocketPath, InADirectoryOfTheUsersItIsRemoved) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  TempDir dir;
  ASSERT_EQ(::chown(dir.path().c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(in_child([&] {
              SocketPath place = listen_at(dir / "x.sock");
              place.allow_group(kNobody);
              return ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0 ? 0 : 1;
            }),
            0);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(SocketPath, TheDefaultDirectoryMustBeInTrustedHands) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  struct Case {
    Owner owner;
    mode_t mode;
    std::string refused_because;  // empty: it is not
  };
  const std::vector<Case> cases{
      {{0, 0}, 0755, ""},
      {{0, 0}, 0775, ""},
      {{kNobody, kNobody}, 0755, "belongs to user 65534, who could replace the socket"},
      {{kNobody, 0}, 0700, "belongs to user 65534"},
      {{0, kNobody}, 0775, "group 65534 may write to"},
      {{0, 0}, 0757, "everyone may write to"},
      {{0, 0}, 01777, "everyone may write to"},
  };
  for (const Case& each : cases) {
    TempDir dir;
    const std::string directory = dir / "run";
    ASSERT_EQ(::mkdir(directory.c_str(), 0700), 0);
    ASSERT_EQ(::chown(directory.c_str(), each.owner.user, each.owner.group), 0);
    ASSERT_EQ(::chmod(directory.c_str(), each.mode), 0);
    const std::string refused = refusal(directory + "/x.sock", Parent::make);
    if (each.refused_because.empty()) {
      EXPECT_EQ(refused, "");
    } else {
      EXPECT_THAT(refused, HasSubstr(each.refused_because));
    }
    EXPECT_TRUE(std::filesystem::is_empty(directory)) << "nothing is left there";
    // A path that was named on the command line is where its user wants it.
    EXPECT_EQ(refusal(directory + "/x.sock", Parent::must_exist), "");
  }
}

TEST(SocketPath, TheRunningUsersOwnDirectoryIsTrusted) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  TempDir dir;
  ASSERT_EQ(::chown(dir.path().c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(in_child([&] {
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
              return refusal(dir / "x.sock", Parent::make).empty() ? 0 : 2;
            }),
            0);
}

TEST(SocketPath, WhatAnotherUserLeftInASharedFolderIsTakenOver) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can take over another user's files";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 01777), 0);  // as /tmp is
  const std::string path = dir / "x.sock";
  EXPECT_EQ(in_child([&] {
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
              const SocketPath place = listen_at(path);
              ::_exit(0);  // no destructor runs
            }),
            0);
  EXPECT_EQ(owner_of(path + ".lock"), (Owner{kNobody, kNobody}));
  const SocketPath place = listen_at(path);
  EXPECT_TRUE(answers(path));
}

TEST(SocketPath, MissingPermissionIsNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  const std::string path = dir / "x.sock";
  EXPECT_EQ(in_child([&] {
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
              const std::string expected =
                  "cannot listen on " + path + ": creating " + path +
                  ".lock failed: Permission denied; run as root or choose another path with -U";
              return refusal(path) == expected ? 0 : 2;
            }),
            0);
}

TEST(SocketPath, AGroupOfOthersTakesPrivilege) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 01777), 0);
  EXPECT_EQ(in_child([&] {
              if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
              SocketPath place = listen_at(dir / "x.sock");
              place.allow_group(kNobody);
              try {
                place.allow_group(0);
                return 2;
              } catch (const ListenError& error) {
                const std::string text = error.what();
                return text.find("cannot let group 0 use") == std::string::npos ? 3 : 0;
              }
            }),
            0);
}

}  // namespace
}  // namespace tcpeek::ipc
