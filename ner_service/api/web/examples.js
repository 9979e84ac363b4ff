// Texts to begin with.

export const EXAMPLES = [
  ["Bob and Yoda", "Bob bought a toy Yoda"],
  [
    "News",
    "LISBON, Tuesday - Ana Ferreira of the World Health Organization flew from Lisbon to Geneva, " +
      "where Swiss officials and engineers of Siemens waited for her. \"Nobody in Portugal has " +
      "seen the likes of it,\" she said.\n\nHer flight had left before the Champions League final " +
      "between Benfica and Borussia Dortmund began.",
  ],
  [
    "Emoji",
    "🎉 Zoë Murphy 👩‍👩‍👧 flew ✈️ from Oslo 🇳🇴 to São Paulo 🇧🇷 for the Olympic Games 🏅.\n" +
      "😀😀😀 Thank you, Bob Miller! 👍🏽",
  ],
  [
    "Right to left",
    "המהנדסת Ana Ferreira ביקרה אתמול ב London ופגשה את John Smith.\n" +
      "سافر Mohamed Salah من Liverpool إلى Cairo.",
  ],
];
