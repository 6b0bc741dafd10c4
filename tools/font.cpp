// The letters of draw_text: seven rows of five pixels, each row a digit of base 32 (0 to 9, then a to v).
#include <array>

#include "tools/canvas.hpp"

namespace tweedie {
namespace {

constexpr std::array<const char*, 95> glyphs = {
    "0000000", "4444404", "aaa0000", "aavavaa", "4fke5u4", "op248j3", "cik8lid", "c480000",  //  !"#$%&'
    "2488842", "8422248", "04lel40", "044v440", "0000c48", "000e000", "00000cc", "01248g0",  // ()*+,-./
    "ehjlphe", "4c4444e", "eh1248v", "v2421he", "26aiv22", "vgu11he", "68guhhe", "v124888",  // 01234567
    "ehhehhe", "ehhf12c", "0cc0cc0", "0cc0c48", "248g842", "00v0v00", "8421248", "eh12404",  // 89:;<=>?
    "eh1dlle", "ehhvhhh", "uhhuhhu", "ehggghe", "uhhhhhu", "vgguggv", "vgguggg", "ehgnhhf",  // @ABCDEFG
    "hhhvhhh", "e44444e", "72222ic", "hikokih", "ggggggv", "hrllhhh", "hhpljhh", "ehhhhhe",  // HIJKLMNO
    "uhhuggg", "ehhhlid", "uhhukih", "fgge11u", "v444444", "hhhhhhe", "hhhhha4", "hhhllla",  // PQRSTUVW
    "hha4ahh", "hhha444", "v1248gv", "e88888e", "0g84210", "e22222e", "4ah0000", "000000v",  // XYZ[\]^_
    "8420000", "00e1fhf", "ggmphhu", "00egghe", "11djhhf", "00ehvge", "698s888", "fhhhf1e",  // `abcdefg
    "ggmphhh", "40c444e", "20622ic", "ggikoki", "c44444e", "00qllhh", "00mphhh", "00ehhhe",  // hijklmno
    "uhhhugg", "fhhhf11", "00mpggg", "00ege1u", "88s8896", "00hhhjd", "00hhha4", "00hhlla",  // pqrstuvw
    "00ha4ah", "hhhhf1e", "00v248v", "2448442", "4444444", "8442448", "08l2000",             // xyz{|}~
};

}  // namespace

const char* glyph(char character, bool& lowered) {
  lowered = character == 'g' || character == 'p' || character == 'q' || character == 'y';
  return character >= ' ' && character <= '~' ? glyphs[std::size_t(character - ' ')] : nullptr;
}

}  // namespace tweedie
