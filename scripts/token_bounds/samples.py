# ruff: noqa: E501  the texts are written as they are
"""Texts of many kinds to measure the bounds on: written for this, or drawn with a fixed seed."""

from __future__ import annotations

import base64
import json
import random
import uuid

ENGLISH = {
    "prose": (
        "The harbour was quiet when the ferry came in. A dozen passengers walked down the gangway, looked for the bus "
        "that was supposed to meet them, and found only a handwritten note: “Delayed until noon; please wait inside.” "
        "Nobody complained. It's what you'd expect in October, the captain said, and went back to repairing the radio."
    ),
    "report": (
        "Revenue grew 14% to $3.2 million in the second quarter, mainly because of renewals in Europe. Operating costs "
        "rose by 6%, less than planned, as hiring was postponed. We recommend that the committee approve the revised "
        "budget, review supplier contracts before September, and publish the environmental assessment separately."
    ),
    "markdown": (
        "# Release checklist\n\n1. Update the **changelog** and the version number.\n2. Run `make test` on all platforms."
        "\n3. Tag the commit, e.g. `v2.1.0`.\n\n> Do not publish on Fridays.\n\n- [ ] documentation reviewed\n"
        "- [x] licences checked\n\nSee [the guide](https://example.org/guide/releases) for details.\n"
    ),
}
CODE = {
    "python": (
        "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Point:\n    x: float\n    y: float\n\n"
        '    def distance_to(self, other: \'Point\') -> float:\n        """Euclidean distance."""\n'
        "        return ((self.x - other.x) ** 2 + (self.y - other.y) ** 2) ** 0.5\n\n\n"
        "def nearest(points: list[Point], target: Point) -> Point | None:\n    if not points:\n        return None\n"
        "    return min(points, key=lambda point: point.distance_to(target))\n"
    ),
    "javascript": (
        "import { useState, useEffect } from 'react';\n\nexport function useOnlineStatus(interval = 5000) {\n"
        "  const [online, setOnline] = useState(navigator.onLine);\n\n  useEffect(() => {\n"
        "    const handler = () => setOnline(navigator.onLine);\n    window.addEventListener('online', handler);\n"
        "    const timer = setInterval(handler, interval);\n    return () => {\n"
        "      window.removeEventListener('online', handler);\n      clearInterval(timer);\n    };\n  }, [interval]);\n"
        "\n  return online ? 'connected' : 'offline';\n}\n"
    ),
    "c": (
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\nstatic int compare(const void *a, const void *b)\n"
        "{\n    return strcmp(*(const char **)a, *(const char **)b);\n}\n\nint main(int argc, char *argv[])\n{\n"
        '    if (argc < 2) {\n        fprintf(stderr, "usage: %s WORD...\\n", argv[0]);\n        return EXIT_FAILURE;\n'
        "    }\n    qsort(argv + 1, argc - 1, sizeof(char *), compare);\n    for (int i = 1; i < argc; i++)\n"
        '        printf("%d: %s\\n", i, argv[i]);\n    return 0;\n}\n'
    ),
    "html": (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n  <meta charset="utf-8">\n  <title>Orders</title>\n'
        '  <link rel="stylesheet" href="/static/main.css">\n</head>\n<body>\n  <table class="orders">\n'
        "    <tr><th>Customer</th><th>Total</th></tr>\n    <tr><td>Miller</td><td>12.50</td></tr>\n  </table>\n"
        '  <button type="submit" onclick="save()">Save changes</button>\n</body>\n</html>\n'
    ),
    "json": json.dumps(
        {
            "user": {"id": 48213, "name": "Erika", "active": True, "roles": ["admin", "editor"]},
            "items": [{"sku": "A-100", "price": 19.99, "quantity": 3}, {"sku": "B-205", "price": 4.5, "quantity": 12}],
        },
        indent=2,
    ),
}
LANGUAGES = {
    "german": "Die Fähre legte pünktlich an, doch der Bus war nicht da. Niemand beschwerte sich über die Verspätung.",
    "french": "Le bateau est arrivé à l'heure, mais l'autobus n'était pas là. Personne ne s'est plaint du retard, déjà.",
    "spanish": "El barco llegó a tiempo, pero el autobús no estaba allí. ¿Quién habría imaginado que nadie se quejaría?",
    "portuguese": "O navio chegou na hora, mas o ônibus não estava lá. Ninguém se queixou do atraso naquela manhã.",
    "polish": "Prom przypłynął punktualnie, ale autobusu nie było. Nikt nie narzekał na opóźnienie; wszyscy czekali.",
    "turkish": "Feribot zamanında yanaştı ama otobüs orada değildi. Kimse gecikmeden şikâyet etmedi, herkes bekledi.",
    "vietnamese": "Chiếc phà cập bến đúng giờ nhưng xe buýt chưa đến. Không ai phàn nàn về sự chậm trễ sáng hôm đó.",
    "russian": "Паром прибыл вовремя, но автобуса не было. Никто не жаловался на опоздание; все молча ждали внутри.",
    "greek": "Το πλοίο έφτασε στην ώρα του, αλλά το λεωφορείο δεν ήταν εκεί. Κανείς δεν παραπονέθηκε για την αναμονή.",
    "arabic": "وصلت العبّارة في موعدها، لكن الحافلة لم تكن هناك. لم يشتكِ أحد من التأخير، وانتظر الجميع في الداخل.",
    "hebrew": "המעבורת הגיעה בזמן, אבל האוטובוס לא היה שם. איש לא התלונן על האיחור, וכולם חיכו בפנים בשקט.",
    "hindi": "नौका समय पर पहुँची, लेकिन बस वहाँ नहीं थी। किसी ने देरी की शिकायत नहीं की; सब लोग अंदर बैठकर ख़ामोशी से इंतज़ार करते रहे।",
    "bengali": "ফেরি ঠিক সময়ে এসেছিল, কিন্তু বাসটি সেখানে ছিল না। দেরি নিয়ে কেউ অভিযোগ করেনি।",
    "tamil": "படகு சரியான நேரத்தில் வந்தது, ஆனால் பேருந்து அங்கே இல்லை. யாரும் குறை கூறவில்லை.",
    "thai": "เรือข้ามฟากมาถึงตรงเวลา แต่รถประจำทางยังไม่มา ไม่มีใครบ่นเรื่องความล่าช้า ทุกคนนั่งรออยู่ข้างใน",
    "chinese": "渡轮准时到达，但公共汽车不在那里。没有人抱怨延误，大家都安静地在里面等着。",
    "japanese": "フェリーは時間どおりに着いたが、バスはまだ来ていなかった。誰も遅れに文句を言わず、静かに待っていた。",
    "korean": "여객선은 제시간에 도착했지만 버스는 없었다. 아무도 지연에 대해 불평하지 않았고 모두 조용히 기다렸다.",
    "georgian": "ბორანი დროულად მოვიდა, მაგრამ ავტობუსი იქ არ იყო. არავინ უჩიოდა დაგვიანებას.",
    "amharic": "ጀልባው በሰዓቱ ደረሰ፤ አውቶቡሱ ግን አልነበረም። ስለ መዘግየቱ ማንም አላጉረመረመም።",
}


def _drawn() -> dict[str, str]:
    """Texts without words, the same each time."""
    rng = random.Random(7)
    data = rng.randbytes(600)
    points = [p for p in range(1, 0x30000) if not 0xD800 <= p < 0xE000]
    minified = (
        "!function(e,t){for(var n=0,r=e.length;n<r;++n)if(t(e[n],n)===!1)return o=e[n],a.push({k:n,v:o})}(q,_$1);"
    )
    return {
        "minified": minified * 4,
        "base64": base64.b64encode(data).decode(),
        "hex": data.hex(),
        "uuids": "\n".join(str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(20)),
        "numbers": ", ".join(f"{rng.uniform(-1e4, 1e6):.{rng.randrange(6)}f}" for _ in range(60)),
        "log": "\n".join(
            f"2026-03-0{n} 12:{n}4:07,{n}91 WARN [worker-{n}] timeout=30s peer=10.0.{n}.7:8443" for n in range(9)
        ),
        "emoji": "🙂🎉👩‍💻🇩🇪✨🔥 👍🏽 ❤️ 🏳️‍🌈 🤷‍♀️ " * 6,
        "white space": "a\n\n\n    b\t\t\tc          d\r\n\r\n  \n e" * 8,
        "letters": "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=300)),
        "mixed case": "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=300)),
        "rare pairs": "zqxjkvqzwxjq" * 20,
        "symbols": "".join(rng.choices("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", k=300)),
        "any characters": "".join(map(chr, rng.choices(points, k=200))),
        "latin-1 bytes": data[:300].decode("latin-1"),
        "quotes": "‘a’ “b”—c… «d» 12 €, £3 ×4°C • e·f",
        "joined words": "getElementByIdAndUpdateInternalStateTransitionManager" * 4,
        "one letter": "a" * 300,
    }


SAMPLES = ENGLISH | CODE | LANGUAGES | _drawn()
