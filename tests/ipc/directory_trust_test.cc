// Who may own the directory of the socket, and who may write to it.
#include "ipc/directory_trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace tcpeek::ipc {
namespace {

using testing::HasSubstr;

const TrustedOwners kTrusted{.users = {0, 1000, 990}, .groups = {0, 991}};

std::string reason(uid_t owner, gid_t group, mode_t mode) {
  return untrusted_reason("/run/x", owner, group, mode, kTrusted).value_or("");
}

TEST(DirectoryTrust, TheOwnerIsOneOfTheTrusted) {
  for (const uid_t owner : {0U, 1000U, 990U}) EXPECT_EQ(reason(owner, 5, 0755), "");
  EXPECT_EQ(
      reason(65534, 0, 0700),
      "/run/x belongs to user 65534, who could replace the socket; remove it, give it to root, "
      "or choose another path with -U");
}

TEST(DirectoryTrust, NobodyElseMayWrite) {
  for (const mode_t mode : {0700U, 0755U, 0711U, 0750U, 02755U}) EXPECT_EQ(reason(0, 5, mode), "");
  EXPECT_THAT(reason(0, 0, 0757), HasSubstr("everyone may write to /run/x (mode 0757)"));
  EXPECT_THAT(reason(0, 0, 01777), HasSubstr("everyone may write to /run/x (mode 1777)"));
  EXPECT_THAT(reason(0, 5, 0775), HasSubstr("group 5 may write to /run/x (mode 0775)"));
  EXPECT_THAT(reason(1000, 1000, 0770), HasSubstr("group 1000 may write"));
  EXPECT_EQ(reason(0, 0, 0775), "");
  EXPECT_EQ(reason(0, 991, 0770), "");
}

TEST(DirectoryTrust, RootAndTheRunningUserAreTrusted) {
  const TrustedOwners trusted = trusted_owners();
  for (const uid_t user : {uid_t{0}, ::geteuid()}) {
    EXPECT_NE(std::find(trusted.users.begin(), trusted.users.end(), user), trusted.users.end());
  }
  EXPECT_THAT(trusted.groups, testing::Contains(0U));
  EXPECT_THAT(trusted.users, testing::Not(testing::Contains(65534U)));
}

}  // namespace
}  // namespace tcpeek::ipc
