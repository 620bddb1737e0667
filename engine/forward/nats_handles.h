// Owners of libnats' objects, and its errors as exceptions.
//
// Thread contract: as a std::unique_ptr.
#pragma once

#include <nats/nats.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace tcpeek::forward {

// What the broker or the way to it refused; trying again may help.
class BrokerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <auto Destroy>
struct Destroys {
  template <class T>
  void operator()(T* object) const noexcept {
    Destroy(object);
  }
};

using NatsOptions = std::unique_ptr<natsOptions, Destroys<&natsOptions_Destroy>>;
using NatsConnection = std::unique_ptr<natsConnection, Destroys<&natsConnection_Destroy>>;
using NatsSubscription = std::unique_ptr<natsSubscription, Destroys<&natsSubscription_Destroy>>;
using NatsMessage = std::unique_ptr<natsMsg, Destroys<&natsMsg_Destroy>>;
using JetStream = std::unique_ptr<jsCtx, Destroys<&jsCtx_Destroy>>;
using StreamInfo = std::unique_ptr<jsStreamInfo, Destroys<&jsStreamInfo_Destroy>>;
using MessageMetaData = std::unique_ptr<jsMsgMetaData, Destroys<&jsMsgMetaData_Destroy>>;
using ConsumerInfo = std::unique_ptr<jsConsumerInfo, Destroys<&jsConsumerInfo_Destroy>>;

// "<what>: <libnats' words>", with JetStream's code if it gave one.
[[nodiscard]] std::string nats_error_text(const std::string& what, natsStatus status,
                                          jsErrCode code = static_cast<jsErrCode>(0));

// Throws BrokerError unless the call succeeded.
inline void check_nats(natsStatus status, const std::string& what,
                       jsErrCode code = static_cast<jsErrCode>(0)) {
  if (status != NATS_OK) throw BrokerError(nats_error_text(what, status, code));
}

}  // namespace tcpeek::forward
