#include "engine/forward/broker_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/read_text.h"
#include "engine/base/text.h"
#include "engine/base/usage_error.h"

namespace tcpeek::forward {
namespace {

using engine::in_quotes;
using engine::UsageError;

constexpr int kConnectMs = 3000;
constexpr int kWriteMs = 5000;
// A connection that has gone silent is given up after three of them.
constexpr int kPingMs = 5000;
constexpr int kPings = 2;
constexpr std::size_t kMostSecretBytes = 8192;

void must(natsStatus status, const std::string& what) {
  if (status != NATS_OK) throw UsageError(nats_error_text(what, status));
}

void set_secret(natsOptions* options, const std::string& path) {
  std::string text = engine::read_option_file("--secret-file", path, kMostSecretBytes);
  text.erase(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty()) {
    throw UsageError("--secret-file: " + in_quotes(path) +
                     " has no user:password or token in its first line");
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    must(natsOptions_SetToken(options, text.c_str()), "--secret-file");
  } else {
    const std::string user = text.substr(0, colon);
    must(natsOptions_SetUserInfo(options, user.c_str(), text.c_str() + colon + 1), "--secret-file");
  }
}

void set_tls(natsOptions* options, const BrokerOptions& wanted) {
  const bool any = std::ranges::any_of(
      wanted.servers, [](const std::string& server) { return server.starts_with("tls://"); });
  if (!wanted.tls && !any && wanted.tls_ca.empty() && wanted.tls_certificate.empty()) return;
  must(natsOptions_SetSecure(options, true), "--tls");
  if (!wanted.tls_ca.empty()) {
    must(natsOptions_LoadCATrustedCertificates(options, wanted.tls_ca.c_str()),
         "--tls-ca " + in_quotes(wanted.tls_ca));
  }
  if (!wanted.tls_certificate.empty()) {
    must(natsOptions_LoadCertificatesChain(options, wanted.tls_certificate.c_str(),
                                           wanted.tls_key.c_str()),
         fmt::format("--tls-cert {}, --tls-key {}", in_quotes(wanted.tls_certificate),
                     in_quotes(wanted.tls_key)));
  }
}

}  // namespace

std::string nats_error_text(const std::string& what, natsStatus status, jsErrCode code) {
  const char* const last = nats_GetLastError(nullptr);
  const std::string_view words =
      last != nullptr && *last != '\0' ? last : natsStatus_GetText(status);
  if (code == 0) return fmt::format("{}: {}", what, words);
  return fmt::format("{}: {} (JetStream error {})", what, words, static_cast<int>(code));
}

// All up to the last '@', as libnats takes it: what is cut too much gives no secret away.
std::string without_login(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::string_view begin = scheme == url.npos ? "" : url.substr(0, scheme + 3);
  url.remove_prefix(begin.size());
  url.remove_prefix(url.rfind('@') + 1);
  return fmt::format("{}{}", begin, url);
}

NatsOptions make_nats_options(const BrokerOptions& wanted) {
  natsOptions* made = nullptr;
  must(natsOptions_Create(&made), "cannot set up libnats");
  NatsOptions options(made);
  std::vector<const char*> servers;
  for (const std::string& server : wanted.servers) servers.push_back(server.c_str());
  must(natsOptions_SetServers(made, servers.data(), static_cast<int>(servers.size())), "--server");
  must(natsOptions_SetName(made, wanted.name.c_str()), "--host");
  // Reconnecting is ours: libnats would send what it has buffered before we can ask what is stored.
  must(natsOptions_SetAllowReconnect(made, false), "cannot set up libnats");
  must(natsOptions_SetTimeout(made, kConnectMs), "cannot set up libnats");
  must(natsOptions_SetWriteDeadline(made, kWriteMs), "cannot set up libnats");
  must(natsOptions_SetPingInterval(made, kPingMs), "cannot set up libnats");
  must(natsOptions_SetMaxPingsOut(made, kPings), "cannot set up libnats");
  if (!wanted.credentials.empty()) {
    must(natsOptions_SetUserCredentialsFromFiles(made, wanted.credentials.c_str(), nullptr),
         "--credentials " + in_quotes(wanted.credentials));
  }
  if (!wanted.secret_file.empty()) set_secret(made, wanted.secret_file);
  set_tls(made, wanted);
  return options;
}

}  // namespace tcpeek::forward
