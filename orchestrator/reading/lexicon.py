"""Words that tell what a prompt is about and what it works with, as data: subjects, and the vocabulary of quantities.

A word may stand in several rows. The rows are features of the complexity score (`features`); which of them counts, and
which way, is fitted. They are lower case, and whole words as `features.WORD` cuts a text.
"""

from __future__ import annotations

SUBJECTS: dict[str, str] = {
    "law": (
        "court courts law laws legal statute statutes plaintiff defendant jury contract contracts tort liability "
        "liable negligence negligent constitutional constitution amendment jurisdiction attorney lawsuit sued sue "
        "judgment appeal crime criminal felony guilty prosecution prosecutor evidence testimony testified treaty "
        "treaties sovereignty convicted homicide murder larceny battery deed easement landowner owner lease "
        "tenant damages breach offer acceptance clause seller buyer judge trial convict arrested police "
        "warrant rights conveyed"
    ),
    "medicine": (
        "patient patients disease diseases symptoms diagnosis treatment therapy clinical drug drugs blood pressure "
        "physician hospital infection infections cancer tumor syndrome chronic acute pain nerve nerves artery vein "
        "muscle muscles bone kidney liver cardiac heart lung pulmonary renal vaccine virus viruses antibiotic "
        "antibiotics dose medication surgery surgical fever pregnancy pregnant diabetes hormone insulin nurse urine "
        "stroke lesion hiv mg vitamin dietary examination"
    ),
    "biology": (
        "cell cells protein proteins gene genes dna rna chromosome chromosomes species evolution organism organisms "
        "enzyme enzymes bacteria membrane plant plants animal animals photosynthesis mutation allele alleles genetic "
        "natural selection ecosystem population predator mitochondria ribosome fossil phylum mammals hominin hominid"
    ),
    "chemistry": (
        "chemical chemistry reaction reactions acid base molecule molecules atom atoms ion ions compound compounds "
        "solution bond bonds electron electrons oxidation oxygen hydrogen carbon nitrogen molar mol mole equilibrium "
        "ph catalyst organic solvent nmr spectrum enthalpy isotope sodium chloride oxide mixture alkene reagent "
        "product hydroxide"
    ),
    "physics": (
        "force velocity acceleration mass energy momentum gravity electric magnetic field charge voltage current "
        "resistance circuit wave waves wavelength frequency light photon quantum particle particles speed motion "
        "friction temperature heat thermodynamic pressure kinetic potential optics lens laser nuclear radiation "
        "relativity entropy watt joule ohm capacitor"
    ),
    "astronomy": (
        "planet planets star stars sun moon earth galaxy galaxies orbit orbits solar comet asteroid mars jupiter "
        "saturn venus telescope universe astronomical"
    ),
    "mathematics": (
        "polynomial matrix integer integers prime function derivative integral equation equations triangle circle "
        "angle angles square root sqrt theorem vector vectors probability graph sum product factor factors divisible "
        "remainder digit digits sequence arithmetic geometric algebra linear ring group subgroup finite isomorphic "
        "homomorphism cyclic real complex plane perimeter area volume radius diameter length width height axis slope "
        "coordinates mean median standard deviation permutations multiples greatest"
    ),
    "statistics": (
        "sample samples regression variance hypothesis estimator estimators distribution correlation significance "
        "confidence interval null variable variables autocorrelation ols residuals"
    ),
    "logic": (
        "premise premises conclusion argument arguments fallacy fallacies valid invalid logic logical proposition "
        "propositional predicate syllogism implies entails entailment contradiction tautology formula truth table "
        "translation symbolization"
    ),
    "computing": (
        "algorithm computer software program programs programming code data database memory cpu processor network "
        "networks internet server servers compiler linux unix windows encryption security attack attacks password "
        "cache bit bits byte bytes array arrays string strings list tree python java javascript sql html css function "
        "functions variable loop recursion protocol tcp ip http malware virus router operating"
    ),
    "machine learning": (
        "neural classifier training kernel overfitting bayes bayesian gradient learning convolutional svm entropy "
        "decision clustering supervised attention transformer"
    ),
    "engineering": (
        "motor generator transformer transistor diode amplifier voltage beam shear stress strain torque bearing "
        "engine pipe fluid flow steam turbine conductor armature winding dc ac flux reactor inductance"
    ),
    "economics": (
        "market markets price prices demand supply inflation gdp monetary fiscal policy interest rate rates bank banks "
        "economy economic unemployment tax taxes tariff exports imports monopoly competitive firm firms cost costs "
        "marginal revenue elasticity consumer consumers producer investment equilibrium curve aggregate fed reserve "
        "currency"
    ),
    "accounting": (
        "accounting audit auditor financial statement statements assets asset liabilities equity income expense "
        "expenses depreciation inventory cash stock stocks shares dividend dividends balance sheet bond bonds payable "
        "receivable partnership corporation loan"
    ),
    "business": (
        "company companies management manager managers marketing product products customer customers brand advertising "
        "organization organizations organizational employees employee business corporate stakeholders strategy "
        "leadership public relations media"
    ),
    "psychology": (
        "behavior psychology psychologist psychological cognitive memory learning conditioning freud piaget "
        "personality motivation emotion emotions anxiety depression disorder disorders therapist client clients "
        "counseling reinforcement attachment perception self children child adolescence sleep stimulus intelligence"
    ),
    "society": (
        "society social class gender family culture cultural inequality durkheim weber marx marxist sociologists norms "
        "urban race ethnic poverty community institutions"
    ),
    "philosophy": (
        "philosophy philosopher philosophers ethics ethical kant utilitarianism utilitarian aristotle plato socrates "
        "epistemology metaphysics knowledge existence god free will justice duty hume mill rawls reason argues theory "
        "deontological"
    ),
    "morals": "moral morals morally wrong right standards virtue virtues scenario scenarios obligation",
    "religion": (
        "religion religious god jesus christ christian christians church islam muslim muhammad buddha buddhist "
        "buddhism hindu jewish judaism torah bible quran prophet sacred prayer sikh temple monks"
    ),
    "history": (
        "war wars empire emperor king kings queen century dynasty revolution revolutionary treaty colonial colonies "
        "ancient medieval roman rome greek egypt egyptian british france french german germany soviet union civil "
        "slavery slaves president nazi battle military army archaeological maya bronze stone age neolithic"
    ),
    "politics": (
        "government governments president congress senate election elections vote voters party parties democracy "
        "democratic republican policy policies political federal supreme state states foreign united nations cold "
        "weapons international"
    ),
    "geography": (
        "country countries city cities river rivers mountain mountains continent capital ocean region regions climate "
        "island islands map border africa asia europe america"
    ),
    "literature": (
        "novel novels poem poet poetry author wrote book books character characters story stories play shakespeare "
        "writer narrator protagonist chapter published"
    ),
    "entertainment": (
        "film films movie movies song songs album band singer actor actress tv television show series game games "
        "sang sings starred season episode video anime player oscar"
    ),
    "sports": (
        "team teams football basketball baseball soccer olympic olympics championship won league cup coach match "
        "tennis golf race nfl nba"
    ),
    "music": (
        "music musical note notes chord melody scale major minor tempo rhythm instrument piano violin composer opera "
        "symphony"
    ),
    "food": (
        "food cook cooking eat eats cake recipe bread sugar fruit vegetables meal dinner lunch breakfast pizza cookies "
        "candy apples eggs chocolate"
    ),
    "nutrition": (
        "carbohydrate carbohydrates calories nutrition nutrient diet fat fats fatty obesity intake bmi fibre glucose"
    ),
    "everyday life": (
        "house home friend friends mother father school door room bed kitchen work job people person walk dog cat shop "
        "store street party birthday"
    ),
    "narrative": "said asked told thought looked went came saw felt knew turned smiled laughed cried",
}

CUES: dict[str, str] = {
    "rates": "per each every apiece hourly daily weekly monthly yearly rate mph",
    "times": (
        "hour hours minute minutes day days week weeks month months year years second seconds morning night weekend "
        "monday tuesday wednesday thursday friday saturday sunday"
    ),
    "multiples": "twice double doubled triple tripled thrice half halves third thirds quarter quarters times dozen",
    "remainders": "left remaining remain remains leftover rest still after",
    "totals": "total altogether sum combined together overall average",
    "comparisons": (
        "more less fewer than older younger taller shorter longer faster slower same greater smaller bigger difference"
    ),
    "money": (
        "cost costs price pay pays paid spend spends spent buy buys bought sell sells sold earn earns earned dollars "
        "cents money profit discount salary save saved sale tip"
    ),
    "number words": (
        "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand "
        "million billion"
    ),
    "units": (
        "miles mile feet foot inches inch meters meter km cm kg pounds pound ounces ounce gallons gallon liters liter "
        "grams degrees mm yards"
    ),
    "conditions": "if suppose assume assuming given unless when whenever let provided",
    "quantifiers": "all any some every none only at least most exactly each both either neither",
    "negations": "not never cannot except false incorrect without neither unlikely no isn't doesn't don't least",
    "causes": "because therefore since thus hence why cause causes effect result reason",
    "likelihoods": "most likely best probably primarily mainly typically generally usually often",
    "kinship": "brother sister brothers sisters son daughter mother father uncle cousin parents grandfather",
    "positions": "left right front behind next between above below north south east west first second third last row",
    "first person": "i my me we our us i'm i've",
    "second person": "you your yours yourself",
    "third person": "he she his her him they their them",
    "past tense": "was were had did been became made took gave",
    "writing": (
        "story poem poetry song lyrics essay blog letter email haiku limerick dialogue scene travel script headline "
        "speech tweet slogan"
    ),
    "role play": "pretend imagine act role persona acting playing roleplay",
    "programming": (
        "def return int str function python javascript java sql html code program script api regex array string loop "
        "implement algorithm bug"
    ),
    "formats": "json csv yaml table bullet format markdown boxed column columns output",
    "given text": "following text passage paragraph context based document reviews review information sentence",
    "advice": "think opinion favorite recommend advice tips suggest help ideas feel",
    "essays": "show evaluate analyze compare explain describe discuss critique design optimize",
    "calculations": "calculate compute solve find determine evaluate simplify express",
}


def rows_of_words() -> dict[str, tuple[int, ...]]:
    """For each word the places of its rows, counted through SUBJECTS and then CUES."""
    rows_of: dict[str, list[int]] = {}
    for place, words in enumerate((*SUBJECTS.values(), *CUES.values())):
        for word in words.split():
            rows_of.setdefault(word, []).append(place)
    return {word: tuple(dict.fromkeys(places)) for word, places in rows_of.items()}
