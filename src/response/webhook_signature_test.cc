#include "response/webhook_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "response/callback_options.h"

namespace loquat::response {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string SecretOf(std::size_t bytes, char fill = 'k') {
  return std::string(kSecretPrefix) + base::EncodeBase64(std::string(bytes, fill));
}

// The example of the reference libraries (standard-webhooks/libraries, tests of 1.0.0).
TEST(WebhookSigner, GivesTheSignatureOfTheReferenceLibraries) {
  const auto signer = WebhookSigner::Create({"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}).value();
  EXPECT_EQ(signer.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookSigner, EachSecretSigns) {
  const auto both = WebhookSigner::Create({SecretOf(24, 'a'), SecretOf(24, 'b')}).value();
  const std::string a = WebhookSigner::Create({SecretOf(24, 'a')})->Sign("id", 1, "body");
  const std::string b = WebhookSigner::Create({SecretOf(24, 'b')})->Sign("id", 1, "body");
  EXPECT_NE(a, b);
  EXPECT_EQ(both.Sign("id", 1, "body"), a + " " + b);
  EXPECT_NE(both.Sign("id", 2, "body"), both.Sign("id", 1, "body"));
}

TEST(WebhookSigner, SecretsHaveTheSizesOfTheStandardAndStaySecret) {
  EXPECT_TRUE(WebhookSigner::Create({SecretOf(kSecretBytesMin)}).has_value());
  EXPECT_TRUE(WebhookSigner::Create({SecretOf(kSecretBytesMax)}).has_value());
  for (const std::string& bad : {SecretOf(kSecretBytesMin - 1), SecretOf(kSecretBytesMax + 1), std::string("whsec_"),
                                 std::string("whsec_!!!"), SecretOf(24).substr(kSecretPrefix.size())}) {
    const auto signer = WebhookSigner::Create({SecretOf(24), bad});
    ASSERT_FALSE(signer.has_value()) << bad;
    EXPECT_THAT(signer.error().message, HasSubstr("secret 2"));
    EXPECT_THAT(signer.error().message, Not(HasSubstr(bad + " ")));
  }
  EXPECT_TRUE(WebhookSigner::Create(std::vector(kSecretsMax, SecretOf(24))).has_value());
  EXPECT_FALSE(WebhookSigner::Create(std::vector(kSecretsMax + 1, SecretOf(24))).has_value());
}

}  // namespace
}  // namespace loquat::response
